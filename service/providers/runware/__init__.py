"""Runware: one URL for everything, one POST of a JSON array of task objects, answers by taskUUID.

What is odd about it (https://runware.ai/docs/platform):

- The taskUUID is ours and is its dedupe: a second submit is refused with `conflictTaskUUID`, which
  says that something has this uuid, not that our first send was what took it.
- Errors may come with status 200, data and errors together, an error inside a data item, and in an
  older singular form. Callbacks come enveloped or flat, signed by nothing: one for each result.
- `getResponse` of a uuid that nobody knows is an empty list, like that of one that is not there yet.
- `getTaskDetails` keeps the last answer to a uuid, which may be the refusal of our own resend.
- Codes are many and not stable; `timeoutProvider` is transient although no rule of its SDK says so.
"""
