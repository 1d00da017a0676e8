"""What the limiter is asked, what it shows, and what it learns from the exchange."""

from __future__ import annotations

import asyncio
import itertools
import threading
from math import ceil

import pytest

from core.clock import ManualClock
from core.limits.api_rate_limiter import APIRateLimiter, MultiExchangeRateLimiter
from core.limits.limit_headers import retry_after_s
from core.limits.priority import Priority, asking_for, current_owner, lowered
from core.limits.published_limits import PUBLISHED_LIMITS, USUAL_PRIORITY, Family

MAIN = {"account": "main"}


def limiter_on(clock: ManualClock, exchange: str = "bybit") -> APIRateLimiter:
    """Waiting moves the clock instead of the test."""
    return APIRateLimiter(exchange, clock, sleep=lambda s: clock.advance_ms(ceil(s * 1000)))


def test_a_burst_uses_a_window_up_and_then_waits_for_its_end() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    assert sum(limiter.acquire(family="order_cancel") for _ in range(20)) == 8
    assert limiter.get_wait_time(family="order_cancel") == pytest.approx(1.001)
    clock.advance_ms(1_000)
    assert not limiter.acquire(family="order_cancel")
    clock.advance_ms(1)
    assert limiter.acquire(family="order_cancel")


def test_a_thread_may_wait_for_its_tokens() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    started_s = clock.monotonic_s()
    for _ in range(24):
        assert limiter.acquire(blocking=True, family="order_cancel")
    assert clock.monotonic_s() - started_s == pytest.approx(2.002)


def test_families_share_the_address_and_not_each_others_budget() -> None:
    limiter = limiter_on(ManualClock())
    assert sum(limiter.acquire(family="market") for _ in range(1000)) == 384  # 480, a fifth kept
    assert not limiter.acquire(family="order_create")
    assert sum(limiter.acquire(family="order_cancel") for _ in range(10)) == 8


def test_each_account_has_limits_of_its_own() -> None:
    limiter = limiter_on(ManualClock())
    for account in ("main", "second"):
        asked = [limiter.acquire(family="order_create", account=account) for _ in range(9)]
        assert asked.count(True) == 6


def test_a_denied_family_takes_nothing_from_the_address() -> None:
    limiter = limiter_on(ManualClock())
    for _ in range(100):
        limiter.acquire(family="order_cancel")
    assert limiter.get_stats("market").current_tokens == 480 - 8


def test_a_weight_counts_as_so_many() -> None:
    limiter = limiter_on(ManualClock(), "binance")
    assert limiter.acquire(family="tickers")
    assert limiter.acquire(10, family="market")
    assert limiter.get_stats("market").current_tokens == 1_920 - 40 - 10


async def test_a_waiter_that_is_cancelled_takes_nothing_and_blocks_nobody(bybit) -> None:
    for _ in range(8):
        await bybit.wait("order_cancel")
    waiting = asyncio.create_task(bybit.wait("order_cancel"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(3)
    await bybit.wait("order_cancel")
    assert bybit.get_stats("order_cancel").total_requests == 9


@pytest.mark.parametrize("is_called_first", [True, False])
async def test_a_waiter_cancelled_at_its_very_turn_is_not_on_its_way(
    bybit, is_called_first
) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(8):
        (await bybit.wait("order_cancel")).end()
    waiting = [asyncio.create_task(bybit.wait("order_cancel")) for _ in range(8)]
    await asyncio.sleep(0)

    def cancel_all() -> None:
        for task in waiting:
            task.cancel()

    if is_called_first:  # its turn comes, and before its task runs it is cancelled
        loop.call_at(1.001, lambda: loop.call_soon(cancel_all))
    else:  # cancelled, and before its task runs its turn comes
        loop.call_at(1.001 - 1e-12, cancel_all)
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    await asyncio.sleep(1.002)
    assert sum(bybit.acquire(family="order_cancel") for _ in range(9)) == 8


async def test_a_sync_request_does_not_overtake_those_who_wait(bybit) -> None:
    for _ in range(8):
        (await bybit.wait("order_cancel")).end()
    waiting = asyncio.create_task(bybit.wait("order_cancel"))
    await asyncio.sleep(0)
    assert not bybit.acquire(family="order_cancel")
    assert bybit.acquire(family="market")  # nobody waits for that
    await waiting


def test_a_shorter_refusal_never_shortens_a_longer_one() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    limiter.penalise("order_create", 30)
    limiter.penalise("order_create", 5)
    assert limiter.get_wait_time(family="order_create") == 30
    assert limiter.acquire(family="market")
    clock.advance_ms(29_999)
    assert not limiter.acquire(family="order_create")
    clock.advance_ms(1)
    assert limiter.acquire(family="order_create")
    assert {row.family: row.refused_by_exchange for row in limiter.snapshot()}["order_create"] == 2


def test_a_refusal_until_the_past_is_no_error() -> None:
    limiter = limiter_on(ManualClock())
    limiter.penalise("order_create", -3)
    assert limiter.acquire(family="order_create")


def test_a_refused_question_of_the_public_kind_holds_its_own_limit_only() -> None:
    limiter = limiter_on(ManualClock(), "bitget")
    limiter.penalise("tickers", 7)
    assert limiter.get_wait_time(family="tickers") == 7
    assert limiter.get_wait_time(family="market") == 0


def bybit_headers(
    limit: int, left: int, reset_ms: int = 1_400, now_ms: int = 1_000
) -> dict[str, str]:
    return {
        "X-Bapi-Limit": str(limit),
        "X-Bapi-Limit-Status": str(left),
        "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
        "Timenow": str(now_ms),
    }


def test_the_exchanges_own_limit_replaces_the_table() -> None:
    limiter = limiter_on(ManualClock())
    limiter.correct("order_cancel", bybit_headers(20, 20))
    assert limiter.get_stats("order_cancel").max_tokens == 16
    assert sum(limiter.acquire(family="order_cancel") for _ in range(30)) == 16
    limiter.correct("order_cancel", bybit_headers(5, 5))
    assert limiter.get_stats("order_cancel").max_tokens == 4
    assert limiter.get_stats("market").max_tokens == 480


def test_a_limit_that_shrinks_while_it_is_in_use_forgets_nothing() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    limiter.correct("order_cancel", bybit_headers(20, 20))
    for _ in range(16):
        limiter.acquire(family="order_cancel")
    limiter.correct("order_cancel", bybit_headers(1, 0))
    clock.advance_ms(1_100)
    assert not limiter.acquire(family="order_cancel")  # one in 1.25 s is 80 % of one a second
    clock.advance_ms(151)
    assert limiter.acquire(family="order_cancel")


@pytest.mark.parametrize(("reset_ms", "hold_s"), [(1_400, 0.4), (900, 1.0), (99_000, 1.0)])
def test_what_others_have_used_holds_us_until_the_reset(reset_ms: int, hold_s: float) -> None:
    """A reset that is past says nothing, one beyond the window is a wrong clock."""
    limiter = limiter_on(ManualClock())
    limiter.correct("order_cancel", bybit_headers(10, 2, reset_ms))
    assert limiter.get_wait_time(family="order_cancel") == pytest.approx(hold_s)


def test_what_others_have_used_leaves_us_the_rest() -> None:
    limiter = limiter_on(ManualClock())
    limiter.acquire(family="order_cancel")
    limiter.correct("order_cancel", bybit_headers(10, 6))  # four used, one of them ours
    assert limiter.get_stats("order_cancel").current_tokens == 8 - 4
    assert sum(limiter.acquire(family="order_cancel") for _ in range(9)) == 4


def test_our_own_full_window_is_nobody_elses() -> None:
    clock = ManualClock()
    limiter = limiter_on(clock)
    for _ in range(8):
        limiter.acquire(family="order_cancel")
    clock.advance_ms(700)
    limiter.correct("order_cancel", bybit_headers(10, 2, reset_ms=1_900))
    assert limiter.get_wait_time(family="order_cancel") == pytest.approx(0.301)


def test_binance_says_what_the_address_and_the_account_have_used() -> None:
    limiter = limiter_on(ManualClock(), "binance")
    headers = {
        "X-MBX-USED-WEIGHT-1M": "1900",
        "X-MBX-ORDER-COUNT-10S": "240",
        "X-MBX-ORDER-COUNT-1M": "241",
    }
    limiter.correct("order_create", headers, **MAIN)
    rows = {row.family: row for row in limiter.snapshot()}
    assert rows == {}  # nothing of ours yet
    assert limiter.get_stats("market").current_tokens == 20
    assert limiter.get_wait_time(family="order_create", **MAIN) == 60  # the address: its minute
    assert limiter.get_wait_time(family="order_create", priority=Priority.EXIT, **MAIN) == 10
    assert limiter.get_wait_time(family="order_cancel", account="second") == 0


def test_upbit_says_what_is_left_of_the_second() -> None:
    limiter = limiter_on(ManualClock(), "upbit")
    headers = {"Remaining-Req": "group=default; min=1800; sec=7"}
    limiter.correct("order_cancel", headers, **MAIN)
    stats = limiter.get_stats("order_cancel", **MAIN)
    assert (stats.current_tokens, stats.max_tokens) == (1, 24)


@pytest.mark.parametrize(
    ("exchange", "headers"),
    [
        ("bybit", {}),
        ("bybit", {"X-Bapi-Limit": "many", "X-Bapi-Limit-Status": "1"}),
        ("bybit", {"X-Bapi-Limit": "0", "X-Bapi-Limit-Status": "0"}),
        ("binance", {"X-MBX-USED-WEIGHT-1M": "-1"}),
        ("upbit", {"Remaining-Req": "sec=soon"}),
        ("okx", bybit_headers(1, 0)),
    ],
)
def test_headers_that_say_nothing_change_nothing(exchange: str, headers: dict[str, str]) -> None:
    limiter = limiter_on(ManualClock(), exchange)
    before = limiter.get_stats("order_cancel")
    limiter.correct("order_cancel", headers)
    assert limiter.get_stats("order_cancel") == before


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"retry-after": " 0 "}, 0.0),
        (
            {
                "Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT",
                "Date": "Fri, 20 Nov 2026 10:00:00 GMT",
            },
            9.0,
        ),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT"}, None),
        ({"Retry-After": "soon", "Date": "now"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_its_two_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_statistics_have_the_designs_names() -> None:
    limiter = limiter_on(ManualClock())
    assert limiter.get_stats().rejection_rate == 0.0
    for _ in range(10):
        limiter.acquire(family="order_cancel")
    stats = limiter.get_stats()
    assert (stats.total_requests, stats.rejected_requests) == (8, 2)
    assert stats.rejection_rate == 0.2
    assert (stats.current_tokens, stats.max_tokens) == (472, 480)


async def test_a_line_of_the_panel_for_each_limit_in_use(bybit) -> None:
    for _ in range(6):
        (await bybit.wait("order_create", **MAIN)).end()
    await asyncio.sleep(0.25)
    waiting = asyncio.create_task(bybit.wait("order_create", **MAIN))
    await asyncio.sleep(0.25)
    bybit.penalise("order_create", 12, **MAIN)
    address, order = bybit.snapshot()
    assert (address.family, address.account, address.used, address.allowed) == (
        "address",
        "",
        6,
        480,
    )
    assert (address.published, address.window_ms, address.blocked_ms) == (600, 5_000, 0)
    assert address.reset_ms == 4_501
    assert (order.family, order.account, order.used, order.allowed) == (
        "order_create",
        "main",
        6,
        8,
    )
    assert (order.waiting, order.blocked_ms, order.refused_by_exchange) == (1, 12_000, 1)
    assert order.used_ratio == 0.75
    await waiting
    order = bybit.snapshot()[1]
    assert (order.waiting, order.held_back, order.total_requests) == (0, 1, 7)
    assert order.avg_wait_ms == pytest.approx(12_250 / 7, abs=1)


async def test_every_request_is_counted_in_one_line(bybit) -> None:
    for family in ("market", "order_create", "order_create", "balance"):
        (await bybit.wait(family, **MAIN)).end()
    rows = {row.family: (row.total_requests, row.used) for row in bybit.snapshot()}
    assert rows == {"address": (1, 4), "order_create": (2, 2), "balance": (1, 1)}
    assert bybit.get_stats().total_requests == 4


async def test_a_ban_of_the_address_shows_on_every_line(bybit) -> None:
    (await bybit.wait("order_create", **MAIN)).end()
    bybit.penalise("address", 600)
    rows = bybit.snapshot()
    assert [row.blocked_ms for row in rows] == [600_000, 600_000]
    assert [row.refused_by_exchange for row in rows] == [1, 0]


@pytest.mark.parametrize(
    ("family", "tokens", "sentence"),
    [
        ("orders", 1, "unknown family of requests 'orders'; known: market, instruments"),
        ("order_cancel", 9, "order_cancel gives 1 to 8 at once"),
        ("order_create", 7, "order_create gives 1 to 6 at once"),
        ("order_cancel", 0, "order_cancel gives 1 to 8 at once"),
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
    assert next(granted) == 384


def test_one_limiter_for_each_exchange() -> None:
    limiters = MultiExchangeRateLimiter(ManualClock())
    assert limiters.acquire_multi("bybit")
    assert limiters.acquire_multi("okx", family="order_create")
    assert limiters.limiter("bybit") is limiters.limiter("bybit")
    assert set(limiters.get_all_stats()) == {"bybit", "okx"}
    assert [limiter.exchange for limiter in limiters] == ["bybit", "okx"]
    with pytest.raises(ValueError, match="no published limits for 'mtgox'; known: bybit"):
        limiters.limiter("mtgox")


async def test_a_task_and_those_it_starts_ask_for_the_same_owner() -> None:
    seen: list[tuple[str, Priority]] = []

    async def work() -> None:
        seen.append((current_owner(), lowered(Priority.DATA)))

    with asking_for("downloads", Priority.DOWNLOAD):
        await asyncio.create_task(work())
    await asyncio.create_task(work())
    assert seen == [("downloads", Priority.DOWNLOAD), ("", Priority.DATA)]
    with asking_for("downloads", Priority.DATA):
        assert lowered(Priority.DOWNLOAD) is Priority.DOWNLOAD


def test_every_exchange_answers_every_family_and_names_its_source() -> None:
    assert set(USUAL_PRIORITY) == set(Family)
    for exchange, table in PUBLISHED_LIMITS.items():
        assert set(table.families) == set(Family), exchange
        drawn_on = {name for weights in table.families.values() for name in weights}
        assert drawn_on <= set(table.limits), exchange
        assert table.source
