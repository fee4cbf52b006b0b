"""Callboard: submits video generation jobs, correlates their callbacks, tells the world with events.

The map of the house; every folder's sign says more.

| where                | what                                                                                   |
| -------------------- | -------------------------------------------------------------------------------------- |
| `core/`              | pure decisions: states, inputs, the total table `decide`, waits, tokens, signatures     |
| `store/`             | the only SQL: named blocks in `sql/`, the schema in `migrations/`                      |
| `flows/`             | the steps of a task's way, and the side doors; transactions begin and end here         |
| `providers/`         | the upstreams: pure mapping, webhook, faults; a client that does the I/O               |
| `sinks/`             | where events go: HTTP, files, the log, brokers, AWS, and what plugins bring            |
| `brokers`, `dialing` | what sinks with long connections share: one attempt; servers, TLS                      |
| `clients`            | one client for each subscription                                                       |
| `media/`             | files of videos: fetched, looked into, kept on disk, in object stores, by PUT          |
| `wire/`              | pure translation between `schemas` and `core`                                          |
| `web/`               | HTTP in: parse, call one flow, answer                                                  |
| `workers/`           | loops that call flows, and the supervisor that owns them                               |
| `bootstrap/`         | puts all of it together; `settings` is read here and in `cli`                          |
| `cli/`               | the command `callboard`                                                                |
| `simulator/`         | both upstreams on loopback; shares shapes with us, never code                          |
| `vault`, `observe`   | secrets at rest; logs, metrics, health                                                 |
| `egress`             | calls to strangers' addresses: checked as they connect, or through a proxy             |
| `clock`, `datadir`   | the dice; what is kept in DATA_DIR                                                     |
| `embedded/`          | the embedded Postgres                                                                  |
| `ports`              | the shapes of providers, sinks and dice                                                |

The way of one task:

1. `web.tasks` parses, `flows.accept` checks with the provider and stores (`store.tasks`): 202.
2. `workers.loop` claims with a place of an account (`flows.accounts`); `flows.submit` keeps the first bytes, commits
   `sent_at`, sends (`providers.x.client`).
3. The upstream calls `web.callbacks`; `flows.receive` keeps it and applies it in the same commit, in groups.
4. `flows.apply` locks, asks `core.decide`, writes state, history, results, events and deliveries at once;
   `flows.matching` says to which subscriptions they go.
5. `flows.deliver` claims deliveries lane by lane (`flows.shares`, `core.breaker`) and sends them (`sinks`), signed, in order,
   again until they arrive; `flows.record` keeps what became of them, `flows.disable` ends what is gone.
6. Where a video is to be kept, the commit of 4 left a row for it: `flows.archive` claims that, `media.fetch` downloads
   (`media.pace` holds it back for callbacks, `media.part` writes, `media.probe` looks into it), `media.places` keep,
   and `core.holding` says what follows, also for a `video.completed` that waited for its file.
   `flows.files` and `web.media` give it back; `flows.discard` deletes it when its time is over.

What did not arrive is had again by `flows.again` (one, by hand) and `flows.replay` (a range, in the background).
Many at once come as JSON lines (`web.batches`, `flows.gather`); `flows.conclude` tells of their common end.
When a callback is lost, `flows.reconcile` finds the task by its `look_again_at` and asks the upstream instead.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("callboard")
except PackageNotFoundError:
    __version__ = "0+unknown"
