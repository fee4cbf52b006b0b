"""What notices are worth: from a submit in one process to its send and its end as seen from another."""

import asyncio
import statistics
import time

import aiohttp
import pytest

from tests.support.embedded import open_home
from tests.support.fleet import Fleet, Member, accepts, call_back, client, sends, submit
from tests.support.flows import until
from tests.support.stub_upstream import StubUpstream, running_stub

pytestmark = pytest.mark.bench
ROUNDS = 20
DEAF = "postgresql://nobody@127.0.0.1:1/none"


async def rounds(
    session: aiohttp.ClientSession, stub: StubUpstream, a: Member
) -> tuple[list[float], list[float]]:
    """Measure submit in A to send in B, and callback in B to the answer of `?wait` in A, in milliseconds."""
    to_send, to_answer = [], []
    for n in range(ROUNDS):
        began = time.perf_counter()
        (task_uuid,) = await submit(session, a)
        sent = (await sends(stub, n + 1))[n]
        to_send.append((time.perf_counter() - began) * 1000)
        waiting = asyncio.ensure_future(session.get(f"{a.url}/v1/tasks/{task_uuid}?wait=60"))
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        await call_back(session, sent)
        async with await waiting as answer:
            assert (await answer.json())["state"] == "completed"
        to_answer.append((time.perf_counter() - began) * 1000)
    return to_send, to_answer


@pytest.mark.parametrize("hearing", [True, False])
async def test_latency_across_two_processes(dsn: str, *, hearing: bool) -> None:
    more = {} if hearing else {"CALLBOARD_DIRECT_DATABASE_URL": DEAF}
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(accepts)
            fleet = Fleet(home, dsn, stub.url)
            with (
                fleet.member("api", role="api", **more) as a,
                fleet.member("rest", **more) as b,
            ):
                await a.ready()
                await b.ready()

                async def heard() -> bool:
                    return not hearing or (a.logged("others.heard") and b.logged("others.heard"))

                await until(heard)
                found = await rounds(session, stub, a)
    for what, times in zip(("submit to send", "callback to ?wait answer"), found, strict=True):
        middle, worst = statistics.median(times), max(times)
        how = "with notices" if hearing else "by polling"
        print(f"\n{what}, {how}: median {middle:.1f} ms, worst {worst:.1f} ms ({ROUNDS} rounds)")
