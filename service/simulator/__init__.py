"""Both upstreams on loopback, with every fault that their fact sheets tell of.

Built from `schemas` alone, never from our providers, flows or core: a simulator made of our own mapping
would agree with our mistakes. `scenario` decides (pure, seeded), `state` remembers and keeps the log,
`runware` and `sync_so` answer, `caller` calls back, `media` makes the videos, `app` puts it on a port.

A job chooses what happens to it in a query parameter of its input video's URL, which reaches us
unchanged through any client: `https://cdn.example/v.mp4?simulate=lost,429:2`. Names may be combined;
a value may follow a colon. An unknown name is refused with 400. Without the parameter the chances of
the `ScenarioBook` decide, by seed and taskUUID (Sync: Idempotency-Key).

Submitting:
    reject          refused at once, 400
    401 402 403 429 500 503 504 busy html reset   the first N (`429:2`, default 1) sends get this and
                    are not accepted; busy is Sync's concurrency limit, html a proxy's 503 page,
                    reset a closed connection
    drop            accepted, then the connection is closed without an answer
    hang:SECONDS    accepted, then the answer hangs (60) and the connection is closed
    forget          its taskUUID or Idempotency-Key is not remembered: a second send is a second bill
Reading:
    noecho          lists and reads do not show its webhookUrl
    lag:SECONDS     lists and polls do not show it yet (2)
Generating:
    ok              nothing special, whatever the chances are
    delay:SECONDS   takes that much longer (2)
    fail:CODE       fails
    noreason        fails without code and message
    partial         of several results every second one fails
    rejected        Sync: ends REJECTED; Runware: fails
Calling back:
    lost            no callback
    double          every callback twice, at the same time
    early           done at once and called back before the submit is answered
    late:SECONDS    called back that long after it was done (2)
    reorder         several results are called back last one first
    flat            Runware: without envelope
    nostatus        Runware: without `status`
    garbage         a body of an unknown shape
"""
