"""The only place that speaks SQL.

Every statement is a named block in `sql/*.sql`, loaded by `queries.py`; the schema is what the numbered
files in `migrations/` make of an empty database. Functions take a connection (the caller owns the
transaction) and give back values of `core`, not rows. No decisions here: those are made in `core`.

To add a migration: a new file with the next number, forward only, that suits the code before it. One that
was released is never edited: its checksum is kept in the database.
"""
