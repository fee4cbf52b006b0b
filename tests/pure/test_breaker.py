"""The breaker of a lane: it never blocks a healthy one, a success closes it, and no block lasts for ever."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.core.breaker import WELL, Health, Heard, Limits, after, blocked, probing

NOW = datetime(2026, 8, 1, tzinfo=UTC)
LIMITS = Limits()
SECOND = timedelta(seconds=1)
LONGEST = max(LIMITS.open_longest, LIMITS.pause_longest, LIMITS.asked_longest)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[Heard, datetime]]:
    """Attempts as they are answered: each began some time before its answer, in any order."""
    told, now = [], NOW
    for _ in range(draw(st.integers(0, 40))):
        now += draw(st.timedeltas(timedelta(0), timedelta(hours=2)))
        began = now - draw(st.timedeltas(timedelta(0), timedelta(minutes=1)))
        asked = draw(st.none() | st.timedeltas(timedelta(0), timedelta(days=30)))
        told.append((Heard(draw(st.booleans()), began, draw(st.booleans()), asked), now))
    return told


def tell(story: list[tuple[Heard, datetime]], health: Health = WELL) -> Health:
    for heard, now in story:
        health = after(health, heard, now, LIMITS)
    return health


def failures(count: int, start: Health = WELL, every: timedelta = SECOND) -> Health:
    """Fail so many times, one after the other, each after the block before it."""
    health, now = start, NOW
    for _ in range(count):
        now = max(now, health.blocked_until or now) + every
        health = after(health, Heard(ok=False, began=now), now, LIMITS)
    return health


@given(stories())
def test_a_success_always_makes_a_lane_well(story: list[tuple[Heard, datetime]]) -> None:
    assert after(tell(story), Heard(ok=True, began=NOW), NOW, LIMITS) == WELL


@given(stories())
def test_a_lane_is_blocked_only_after_failures_in_a_row_or_a_throttle(
    story: list[tuple[Heard, datetime]],
) -> None:
    in_a_row, throttled = 0, False
    health = WELL
    for heard, now in story:
        health = after(health, heard, now, LIMITS)
        in_a_row = 0 if heard.ok else in_a_row + 1
        throttled = not heard.ok and (throttled or heard.throttled)
        if in_a_row < LIMITS.failures and not throttled:
            assert not blocked(health, now)
            assert not probing(health)


@given(stories())
def test_no_block_lasts_longer_than_its_bound(story: list[tuple[Heard, datetime]]) -> None:
    health = WELL
    for heard, now in story:
        health = after(health, heard, now, LIMITS)
        assert not blocked(health, now + LONGEST)


@given(stories())
def test_since_when_it_fails_is_the_first_failure_after_the_last_success(
    story: list[tuple[Heard, datetime]],
) -> None:
    since = None
    for heard, now in story:
        since = None if heard.ok else since or now
    assert tell(story).failing_since == since


@given(stories(), st.timedeltas(timedelta(0), timedelta(days=1)))
def test_what_began_before_a_block_neither_opens_it_again_nor_shortens_it(
    story: list[tuple[Heard, datetime]], earlier: timedelta
) -> None:
    health = tell(story)
    if health.blocked_since is None or health.blocked_until is None:
        return
    now = health.blocked_since + SECOND
    old = Heard(ok=False, began=health.blocked_since - earlier)
    then = after(health, old, now, LIMITS)
    assert (then.openings, then.throttles) == (health.openings, health.throttles)
    assert then.blocked_until == health.blocked_until


def test_the_fifth_failure_in_a_row_opens_and_each_failed_probe_doubles() -> None:
    assert failures(4).blocked_until is None
    waits = []
    for count in range(5, 12):
        health = failures(count)
        assert health.blocked_since is not None
        assert health.blocked_until is not None
        waits.append((health.blocked_until - health.blocked_since).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_a_throttle_pauses_at_once_and_doubles() -> None:
    health, now, waits = WELL, NOW, []
    for _ in range(4):
        health = after(health, Heard(ok=False, began=now, throttled=True), now, LIMITS)
        assert health.blocked_until is not None
        waits.append((health.blocked_until - now).total_seconds())
        now = health.blocked_until
    assert waits == [5, 10, 20, 40]


def test_what_is_asked_for_is_honoured_within_bounds() -> None:
    def wait(asked: timedelta) -> timedelta:
        heard = Heard(ok=False, began=NOW, throttled=True, retry_after=asked)
        return (after(WELL, heard, NOW, LIMITS).blocked_until or NOW) - NOW

    assert wait(timedelta(0)) == SECOND
    assert wait(42 * SECOND) == 42 * SECOND
    assert wait(timedelta(days=99)) == timedelta(hours=1)
    plain = Heard(ok=False, began=NOW, retry_after=42 * SECOND)
    assert after(WELL, plain, NOW, LIMITS).blocked_until is None


def test_a_throttle_that_began_before_the_block_lengthens_it_by_what_it_asks_for() -> None:
    first = after(WELL, Heard(ok=False, began=NOW, throttled=True), NOW, LIMITS)
    old = Heard(ok=False, began=NOW, throttled=True, retry_after=60 * SECOND)
    assert after(first, old, NOW + SECOND, LIMITS).blocked_until == NOW + 61 * SECOND
