"""Our HTTP API, spelled as on the wire: what callers send and what they get.

Bodies that are sent to us are `Request`s: unknown fields are refused. What each means is in the
OpenAPI document; the words are those of CONTRACT.md.
"""
