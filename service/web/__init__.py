"""HTTP in: handlers parse, call one flow, answer.

What lives here: the server and its flags, the route table, keys and problems, query parameters and bodies, the
OpenAPI document. What does not: decisions, SQL, shapes of bytes (`schemas`, `wire`), calls that go out.

A new endpoint is a handler in the file of its noun, an `Operation` in `operations`, a line in `app.ROUTES`.
"""
