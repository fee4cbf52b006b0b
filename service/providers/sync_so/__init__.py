"""Sync (sync.so): one generation for each call, known by an id of its own.

What is odd about it (https://sync.so/docs/api-reference):

- The taskUUID travels as `Idempotency-Key` and in our webhook URL, which Sync echoes: that echo is the
  only way to find a generation whose id was never told. The echo holds our token.
- Callbacks are signed (`Sync-Signature`), by one secret of the whole organisation, over the raw bytes;
  there is no second try.
- The machine's code is `errorCode` in answers and `error_code` in callbacks; a failure may have neither.
- What a plan lacks is a 402 or 403 about one request; what is not paid is a 402 about all of them.
- Options that a model does not know are ignored, so sync-3's are dropped here and named in a warning.
"""
