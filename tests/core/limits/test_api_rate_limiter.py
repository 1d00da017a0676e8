"""No window is ever broken, hardly anything allowed is wasted, refusals are obeyed."""

from __future__ import annotations

import asyncio
import itertools
import threading
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.limits.api_rate_limiter import APIRateLimiter, MultiExchangeRateLimiter
from core.limits.published_limits import FAMILIES, PUBLISHED_LIMITS, Window


def limiter_on(clock: ManualClock, exchange: str = "bybit") -> APIRateLimiter:
    """Waiting moves the clock instead of the test."""

    def sleep(seconds: float) -> None:
        clock.advance_ms(ceil(seconds * 1000))

    async def sleep_async(seconds: float) -> None:
        sleep(seconds)
        await asyncio.sleep(0)

    return APIRateLimiter(exchange, clock, sleep=sleep, sleep_async=sleep_async)


def allowed(window: Window) -> float:
    """Whole tokens per ms at 80 %."""
    return floor(window.tokens * 0.8) / window.interval_ms


def most_in_any(window: Window, grants: list[tuple[float, int]]) -> int:
    """The fullest sliding window of that length."""
    most = used = 0
    oldest = 0
    for time_s, tokens in grants:
        used += tokens
        while grants[oldest][0] <= time_s - window.interval_ms / 1000:
            used -= grants[oldest][1]
            oldest += 1
        most = max(most, used)
    return most


@settings(max_examples=60, deadline=None)
@given(
    exchange=st.sampled_from(sorted(PUBLISHED_LIMITS)),
    requests=st.lists(
        st.tuples(
            st.sampled_from(FAMILIES),
            st.integers(1, 3),
            st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 6_000)),
            st.booleans(),
        ),
        max_size=200,
    ),
)
def test_no_sliding_window_is_ever_exceeded(
    exchange: str, requests: list[tuple[str, int, int, bool]]
) -> None:
    clock = ManualClock()
    limiter = limiter_on(clock, exchange)
    table = PUBLISHED_LIMITS[exchange]
    grants: dict[str, list[tuple[float, int]]] = {name: [] for name in table.limits}
    for family, tokens, pause_ms, blocking in requests:
        clock.advance_ms(pause_ms)
        wait_s = limiter.get_wait_time(tokens, family)
        granted = limiter.acquire(tokens, blocking, family)
        assert granted == (blocking or wait_s == 0)
        if granted:
            for name in table.families[family]:
                grants[name].append((clock.monotonic_s(), tokens))
    for name, limit in table.limits.items():
        for window in limit.windows:
            assert most_in_any(window, grants[name]) <= max(1, floor(window.tokens * 0.8))


@pytest.mark.parametrize("exchange", sorted(PUBLISHED_LIMITS))
@pytest.mark.parametrize("family", FAMILIES)
def test_at_least_95_percent_of_the_allowed_gets_through(exchange: str, family: str) -> None:
    clock = ManualClock()
    limiter = limiter_on(clock, exchange)
    table = PUBLISHED_LIMITS[exchange]
    windows = [w for name in table.families[family] for w in table.limits[name].windows]
    tightest = min(windows, key=allowed)
    span_ms = 3 * max(window.interval_ms for window in windows)
    end_s = clock.monotonic_s() + span_ms / 1000
    count = 0
    while True:
        limiter.acquire(family=family, blocking=True)
        if clock.monotonic_s() >= end_s:
            break
        count += 1
    assert count >= 0.95 * allowed(tightest) * span_ms


def test_a_burst_uses_a_window_up_and_then_waits_for_its_end() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    assert sum(limiter.acquire(family="order") for _ in range(20)) == 8
    assert limiter.get_wait_time(family="order") == pytest.approx(1.001)
    clock.advance_ms(1_000)
    assert not limiter.acquire(family="order")
    clock.advance_ms(1)
    assert limiter.acquire(family="order")


def test_families_share_the_address_and_not_each_others_budget() -> None:
    limiter = limiter_on(ManualClock())
    assert sum(limiter.acquire(family="market") for _ in range(1000)) == 480
    assert not limiter.acquire(family="order")
    assert limiter.snapshot()[1].used_ratio == 1.0  # the address is what is full


def test_a_denied_family_takes_nothing_from_the_address() -> None:
    limiter = limiter_on(ManualClock())
    for _ in range(100):
        limiter.acquire(family="order")
    assert limiter.get_stats("market").current_tokens == 480 - 8


async def test_waiting_is_first_come_first_served() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    order: list[int] = []

    async def ask(number: int) -> None:
        await limiter.wait("order", 1 + number % 3)
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(30)))
    assert order == list(range(30))
    stats = limiter.get_stats("order")
    assert stats.total_requests == 30
    assert stats.rejected_requests == 0
    assert stats.avg_wait_time > 1


async def test_a_waiter_that_is_cancelled_takes_nothing_and_blocks_nobody() -> None:
    clock = ManualClock()
    forever = asyncio.Event()

    async def sleep_async(seconds: float) -> None:
        await forever.wait()

    limiter = APIRateLimiter("bybit", clock, sleep_async=sleep_async)
    for _ in range(8):
        await limiter.wait("order")
    waiting = asyncio.create_task(limiter.wait("order"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.advance_ms(1_001)
    await limiter.wait("order")
    assert limiter.get_stats("order").total_requests == 9


def test_a_refusal_is_obeyed_to_the_second() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    limiter.penalise("order", 30)
    limiter.penalise("order", 5)  # a shorter one never shortens the longer
    assert limiter.get_wait_time(family="order") == 30
    assert limiter.acquire(family="market")
    clock.advance_ms(29_999)
    assert not limiter.acquire(family="order")
    clock.advance_ms(1)
    assert limiter.acquire(family="order")
    assert {row.family: row.refused_by_exchange for row in limiter.snapshot()}["order"] == 2


def test_a_banned_address_silences_every_family() -> None:
    limiter = limiter_on(ManualClock())
    limiter.penalise("ip", 600)
    assert [limiter.get_wait_time(family=family) for family in FAMILIES] == [600] * 4


def test_a_refusal_until_the_past_is_no_error() -> None:
    limiter = limiter_on(ManualClock())
    limiter.penalise("order", -3)
    assert limiter.acquire(family="order")


def bybit_headers(
    limit: int, left: int, reset_ms: int = 1_400, now_ms: int = 1_000
) -> dict[str, str]:
    return {
        "X-Bapi-Limit": str(limit),
        "X-Bapi-Limit-Status": str(left),
        "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
        "Timenow": "1000",
    }


def test_the_exchanges_own_limit_replaces_the_table() -> None:
    limiter = limiter_on(ManualClock())
    limiter.correct("order", bybit_headers(20, 19))
    assert limiter.get_stats("order").max_tokens == 16
    assert sum(limiter.acquire(family="order") for _ in range(30)) == 16
    limiter.correct("order", bybit_headers(5, 5))
    assert limiter.get_stats("order").max_tokens == 4
    assert limiter.get_stats("market").max_tokens == 480


@pytest.mark.parametrize(("reset_ms", "hold_s"), [(1_400, 0.4), (900, 0.0), (99_000, 1.0)])
def test_what_others_have_used_holds_us_until_the_reset(reset_ms: int, hold_s: float) -> None:
    limiter = limiter_on(ManualClock())
    limiter.acquire(family="order")
    limiter.correct("order", bybit_headers(10, 2, reset_ms))
    assert limiter.get_wait_time(family="order") == pytest.approx(hold_s)


def test_our_own_full_window_needs_no_hold() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    for _ in range(8):
        limiter.acquire(family="order")
    clock.advance_ms(700)
    limiter.correct("order", bybit_headers(10, 2, reset_ms=1_900))
    assert limiter.get_wait_time(family="order") == pytest.approx(0.301)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Bapi-Limit": "many", "X-Bapi-Limit-Status": "1"},
        {"X-Bapi-Limit": "0", "X-Bapi-Limit-Status": "0"},
    ],
)
def test_headers_that_say_nothing_change_nothing(headers: dict[str, str]) -> None:
    limiter = limiter_on(ManualClock())
    limiter.correct("order", headers)
    limiter_on(ManualClock(), "okx").correct("order", bybit_headers(1, 0))
    assert limiter.get_stats("order").max_tokens == 8
    assert limiter.acquire(family="order")


def test_without_the_exchanges_time_a_hold_is_one_window() -> None:
    limiter = limiter_on(ManualClock())
    headers = bybit_headers(10, 0)
    del headers["Timenow"]
    limiter.correct("order", headers)
    assert limiter.get_wait_time(family="order") == 1.0


def test_statistics_have_the_designs_names() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    assert limiter.get_stats().rejection_rate == 0.0
    for _ in range(10):
        limiter.acquire(family="order")
    stats = limiter.get_stats()
    assert (stats.total_requests, stats.rejected_requests) == (8, 2)
    assert stats.rejection_rate == 0.2
    assert (stats.current_tokens, stats.max_tokens) == (472, 480)


@pytest.mark.parametrize(
    ("family", "tokens", "sentence"),
    [
        ("orders", 1, "unknown family of requests 'orders'; known: market, order"),
        ("order", 9, "order gives 1 to 8 at once"),
        ("order", 0, "order gives 1 to 8 at once"),
    ],
)
def test_what_can_never_be_had_is_an_error(family: str, tokens: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        limiter_on(ManualClock()).acquire(tokens, family=family)


def test_threads_together_get_no_more_than_one_would() -> None:
    limiter = limiter_on(ManualClock())
    granted = itertools.count()

    def ask() -> None:
        for _ in range(200):
            if limiter.acquire():
                next(granted)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert next(granted) == 480


def test_one_limiter_for_each_exchange() -> None:
    limiters = MultiExchangeRateLimiter(ManualClock())
    assert limiters.acquire_multi("bybit")
    assert limiters.acquire_multi("okx", family="order")
    assert limiters.limiter("bybit") is limiters.limiter("bybit")
    assert set(limiters.get_all_stats()) == {"bybit", "okx"}
    assert [limiter.exchange for limiter in limiters] == ["bybit", "okx"]
    with pytest.raises(ValueError, match="no published limits for 'mtgox'; known: bybit"):
        limiters.limiter("mtgox")


def test_every_exchange_answers_every_family() -> None:
    for exchange, table in PUBLISHED_LIMITS.items():
        assert tuple(table.families) == FAMILIES, exchange
        assert {n for names in table.families.values() for n in names} == set(table.limits)
        assert table.source
