"""Other people's contracts, one file per provider, in their own spelling.

Requests are strict where we know the model and only check the platform's own fields where we do not.
Answers and callbacks are lenient: upstreams disagree with their documents and with themselves.
Request models are used to validate; what is sent is the caller's own JSON, never a dump of a model.
"""
