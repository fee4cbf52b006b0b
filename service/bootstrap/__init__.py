"""The composition root: the only place that knows every concrete part.

`run` is the service from its first step to the end of its drain; `parts` puts the flows together; `upstreams`
makes the providers and their limits of the settings.
"""
