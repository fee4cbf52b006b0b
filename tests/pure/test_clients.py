"""One client for each subscription: opened once, shared, and closed when its settings change or it idles."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from service.clients import CLOSE_S, BadSettings, Clients, Given
from service.ports import Target
from tests.support.virtual_time import in_no_time


class Client:
    """Counts what happens to it."""

    def __init__(self) -> None:
        self.closed = False


class World:
    """Opens clients, and remembers them."""

    def __init__(self) -> None:
        self.opened: list[Client] = []
        self.failures: list[Exception] = []

    async def open(self) -> Client:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        self.opened.append(Client())
        return self.opened[-1]

    async def close(self, client: Client) -> None:
        client.closed = True


def target(subscription: UUID | None = None, **settings: object) -> Target:
    return Target("x", settings=settings, id=subscription or uuid4())


async def lend(clients: Clients[Client], world: World, to: Target) -> Client:
    async with clients.of(to, world.open) as client:
        return client


def test_settings_are_read_without_trust() -> None:
    given = Given({"text": "a", "texts": ["a"], "number": 2, "flag": False, "empty": ""})
    assert (given.text("text"), given.texts("texts"), given.number("number", 1)) == ("a", ("a",), 2)
    assert (given.text("none", "b"), given.maybe("none"), given.number("none", 3)) == ("b", None, 3)
    assert given.flag("flag", default=True) is False
    reads: list[Callable[[], object]] = [
        lambda: given.text("none"),
        lambda: given.text("empty"),
        lambda: given.maybe("number"),
        lambda: given.texts("text"),
        lambda: Given({"a": [1]}).texts("a"),
        lambda: Given({"a": True}).number("a", 1),
        lambda: Given({"a": 0}).number("a", 1),
        lambda: Given({"a": "yes"}).flag("a", default=True),
    ]
    for read in reads:
        with pytest.raises(BadSettings):
            read()
    assert Given(None).maybe("a") is None


async def test_all_attempts_of_a_subscription_share_one_client() -> None:
    world = World()
    clients: Clients[Client] = Clients(world.close)
    mine, other = target(a=1), target(a=1)
    lent = await asyncio.gather(*(lend(clients, world, mine) for _ in range(5)))
    assert len(set(lent)) == 1
    assert await lend(clients, world, other) is not lent[0]
    await clients.close()
    assert all(client.closed for client in world.opened)


@pytest.mark.parametrize("changed", ["settings", "credentials", "timeout_s"])
async def test_new_settings_are_a_new_client_and_the_old_one_closes_after_its_last_use(
    changed: str,
) -> None:
    world = World()
    clients: Clients[Client] = Clients(world.close)
    before = target(a=1)
    news: dict[str, object] = {
        "settings": {"a": 2},
        "credentials": {"password": "b"},
        "timeout_s": 3.0,
    }
    after = replace(before, **{changed: news[changed]})  # type: ignore[arg-type]  # as named
    async with clients.of(before, world.open) as old:
        assert await lend(clients, world, after) is not old
        assert not old.closed
    await clients.close()
    assert len(world.opened) == 2
    assert old.closed


async def test_what_could_not_be_opened_is_tried_again() -> None:
    world = World()
    world.failures = [OSError("away")]
    clients: Clients[Client] = Clients(world.close)
    mine = target()
    with pytest.raises(OSError, match="away"):
        await lend(clients, world, mine)
    assert await lend(clients, world, mine) is world.opened[0]
    await clients.close()


async def test_a_dropped_client_serves_whoever_has_it_and_then_closes() -> None:
    world = World()
    clients: Clients[Client] = Clients(world.close)
    mine = target()
    async with clients.of(mine, world.open) as first:
        clients.drop(first)
        assert not first.closed
    assert await lend(clients, world, mine) is not first
    await clients.close()
    assert first.closed


async def test_too_many_close_the_one_that_was_used_longest_ago() -> None:
    world = World()
    clients: Clients[Client] = Clients(world.close, most=2)
    targets = [target() for _ in range(3)]
    first = await lend(clients, world, targets[0])
    second = await lend(clients, world, targets[1])
    assert await lend(clients, world, targets[0]) is first
    await lend(clients, world, targets[2])
    assert await lend(clients, world, targets[0]) is first
    await clients.close()
    assert second.closed


def test_an_idle_client_closes_by_itself() -> None:
    async def main() -> None:
        world = World()
        clients: Clients[Client] = Clients(world.close, idle_s=100)
        used, idle = target(), target()
        mine, other = await lend(clients, world, used), await lend(clients, world, idle)
        for _ in range(4):
            await asyncio.sleep(60)
            assert await lend(clients, world, used) is mine
        assert (mine.closed, other.closed) == (False, True)
        await clients.close()

    in_no_time(main())


def test_a_client_that_does_not_close_holds_nobody_up_for_long() -> None:
    async def main() -> None:
        async def hang(_: Client) -> None:
            await asyncio.Event().wait()

        world = World()
        clients: Clients[Client] = Clients(hang)
        await lend(clients, world, target())
        began = asyncio.get_running_loop().time()
        await clients.close()
        assert asyncio.get_running_loop().time() - began <= CLOSE_S

    in_no_time(main())


async def test_a_client_that_fails_to_close_is_gone_all_the_same() -> None:
    async def fail(_: Client) -> None:
        raise RuntimeError("no")

    clients: Clients[Client] = Clients(fail)
    opening: Callable[[], Awaitable[Client]] = World().open
    async with clients.of(target(), opening):
        pass
    await clients.close()
