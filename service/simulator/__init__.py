"""Both upstreams on loopback, with every fault that their fact sheets tell of.

Built from `schemas` alone, never from our providers, flows or core: a simulator made of our own mapping
would agree with our mistakes. `scenario` decides (pure, seeded), `state` remembers and keeps the log,
`runware` and `sync_so` answer, `caller` calls back, `media` and `webm` make the videos, `files` serves
them as `stored` says, `app` puts it on a port. An API key that begins with `bad` is refused.

A job chooses what happens to it in a query parameter of its input video's URL, which reaches us
unchanged through any client: `https://cdn.example/v.mp4?simulate=lost,429:2`. Names may be combined;
a value may follow a colon. They may also stand in a header `X-Simulate`, or by key in a scenario file. An unknown name is
refused with 400. Without names the chances of the `ScenarioBook` decide, by seed and taskUUID (Sync:
Idempotency-Key). How long an input is, is told in the same way:
`https://cdn.example/v.mp4?seconds=12.5` (5).

Submitting:
    reject          refused at once, 400
    401 402 403 404 409 413 422 429 500 503 504 busy html html500 html504 reset
                    the first N (`429:2`, default 1) sends get this and are not accepted; busy is
                    Sync's concurrency limit, html a proxy's 503 page, html500 and html504 the like,
                    reset a closed connection
    retryafter:SECONDS   such an answer has a header `Retry-After` (1)
    drop            accepted, then the connection is closed without an answer
    hang:SECONDS    accepted, then the answer hangs (60) and the connection is closed
    restart:SECONDS   accepted and answered, then all connections are closed, and so is every
                    new one for that long (1); generations go on
    doubt           Sync: accepted and answered that its outcome is not known; Runware: as drop
    forget          its taskUUID or Idempotency-Key is not remembered: a second send is a second bill
Reading:
    noecho          lists and reads do not show its webhookUrl
    lag:SECONDS     lists and polls do not show it yet (2)
    notfound:SECONDS   as lag, but Runware's polls say `taskFailedOrNotFound` instead of nothing
    archived        Runware: polls never show it, `getTaskDetails` does
    blind:N         Runware: the first N reads of it are answered 503 (1)
    progress        Runware: rows of what is under way have a `progress`
    onerow          Runware: one such row for all results that are under way, not one each
    inline          Runware: failed results are in `data`, with an `error` of their own
    push            Runware: results are pushed over the WebSocket that it was sent on; those of
                    `deliveryMethod: sync` always are
Generating:
    ok              nothing special, whatever the chances are
    delay:SECONDS   takes that much longer (2)
    fail:CODE       fails
    noreason        fails without code and message
    partial         of several results every second one fails
    rejected        Sync: ends REJECTED; Runware: fails
    nsfw            Runware: flagged, if the task asked for a safety check
    expire:SECONDS  the video's URL ends that long after it was made (1), whatever the ttl is;
                    every read gives a fresh URL that is good for as long from then on
    expire403:SECONDS   as expire, but its URL is answered 403 then, not 404
    putafter        Runware: put to the task's `uploadEndpoint` after its callback, not before
    putnever        Runware: not put there
Result files, which stay as they are for who has their URL:
    slowfile:SECONDS   takes that long to come (1)
    cutfile         half of what was announced comes, then the connection is closed; asked for
                    the rest, the rest comes
    resetfile       the connection is reset in the middle, once for each URL
    hugefile:BYTES  has that many bytes (1 MiB), nearly all of them padding, and still plays
    wrongfile       is an HTML page
    lyingfile       is an HTML page that is said to be a video
    redirectfile    is redirected to a private address
    movedfile       is redirected to where it is
    noranges        always comes whole, whatever part is asked for
Calling back:
    lost            no callback
    double          every callback twice, at the same time
    early           done at once and called back before the submit is answered
    late:SECONDS    called back that long after it was done (2)
    reorder         several results are called back last one first
    flat            Runware: without envelope; Sync: a batch is spelled as in answers
    nostatus        Runware: without `status`
    bare            Runware: an array of items without envelope
    singular        Runware: `error` instead of `errors`
    unsigned        Sync: without a signature
    forged          Sync: signed with another secret
    millis          Sync: signed, with the time in milliseconds
    garbage         a body of an unknown shape
"""
