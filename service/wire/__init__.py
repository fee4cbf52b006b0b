"""Pure translation between our public shapes and `core`, both ways.

What lives here: bodies to checked values, tasks and events to bytes, errors to problems. What does not:
HTTP, the database, other people's shapes (those are the providers' mapping).
"""
