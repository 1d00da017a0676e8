"""Acceptance 4 of the limiter: for random requests of several bots no sliding window of any limit
is ever exceeded, nobody starves, hardly anything allowed is wasted, and a refusal is obeyed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_limits import in_virtual_time, most_in_any, virtual_clock

from app.virtual_time import VirtualClock
from core.limits.api_rate_limiter import APIRateLimiter
from core.limits.priority import Priority, asking_for
from core.limits.published_limits import (
    ADDRESS,
    MAY_EXIT,
    PUBLISHED_LIMITS,
    USUAL_PRIORITY,
    Family,
    Scope,
)
from core.limits.turns import Turn

EXCHANGES = st.sampled_from(sorted(PUBLISHED_LIMITS))


class Steps(VirtualClock):
    """Somebody sets the machine's clock back and forth; real time goes its way."""

    def time_ms(self) -> int:
        return super().time_ms() + (-3_600_000 if int(self.monotonic_s()) % 2 else 7_200_000)


REQUEST = st.tuples(
    st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 3_000)),  # ms of pause before it
    st.sampled_from(list(Family)),
    st.integers(1, 3),  # tokens
    st.sampled_from([None, *Priority]),
    st.sampled_from(["main", "second"]),  # account
    st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 1_900)),  # ms on its way
    st.floats(0, 1),  # when within that it arrives
)


@settings(max_examples=40)
@given(
    exchange=EXCHANGES,
    bots=st.lists(st.lists(REQUEST, min_size=1, max_size=60), min_size=1, max_size=5),
    refusals=st.lists(
        st.tuples(st.integers(0, 5_000), st.sampled_from([*Family, ADDRESS]), st.integers(0, 4)),
        max_size=3,
    ),
)
def test_no_sliding_window_of_any_limit_is_ever_exceeded(exchange, bots, refusals) -> None:
    table = PUBLISHED_LIMITS[exchange]
    departed: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    arrived: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    asked = sum(len(requests) for requests in bots)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        limiter = APIRateLimiter(exchange, Steps(loop, market_start_ms=10**12))

        async def request(wish) -> None:
            family, tokens, priority, account, flight_ms, arrives_at = wish
            try:
                turn = await limiter.wait(family, tokens, account=account, priority=priority)
            except ValueError:  # more than the class is ever given at once
                return
            now_s, flight_s = loop.time(), flight_ms / 1000
            for name, weight in table.families[family].items():
                owner = account if table.limits[name].scope is Scope.ACCOUNT else ""
                departed[name, owner].append((now_s, weight * tokens))
                arrived[name, owner].append((now_s + flight_s * arrives_at, weight * tokens))
            with turn:
                await asyncio.sleep(flight_s)

        async def trade(bot: str, requests) -> None:
            with asking_for(bot):
                async with asyncio.TaskGroup() as tasks:
                    for pause_ms, *rest in requests:
                        await asyncio.sleep(pause_ms / 1000)
                        tasks.create_task(request(rest))

        async def refuse(after_ms: int, family: str, seconds: int) -> None:
            await asyncio.sleep(after_ms / 1000)
            limiter.penalise(family, seconds, account="main")

        async with asyncio.TaskGroup() as tasks:
            for number, requests in enumerate(bots):
                tasks.create_task(trade(f"bot {number}", requests))
            for refusal in refusals:
                tasks.create_task(refuse(*refusal))
        assert all(counters.total <= asked for counters in limiter._counters.values())

    in_virtual_time(story)
    for (name, owner), events in departed.items():
        for window in table.limits[name].windows:
            ours = max(1, floor(window.tokens * 0.8))
            assert most_in_any(window.interval_ms, events) <= ours, (name, owner)
            there = most_in_any(window.interval_ms, arrived[name, owner])
            assert there <= window.tokens, (name, owner)


def _rates(exchange: str, family: Family, of_ours: float) -> list[tuple[float, int]]:
    """Requests per ms and the span of each window that bounds the family."""
    table = PUBLISHED_LIMITS[exchange]
    found = []
    for name, weight in table.families[family].items():
        serves_exits = any(name in table.families[other] for other in MAY_EXIT)
        for window in table.limits[name].windows:
            ours = max(1, floor(window.tokens * 0.8))
            stretch = 1.0 if window.tokens > 1 else 0.8
            kept = ceil(ours * 0.2) if serves_exits and ours > 1 and of_ours < 1 else 0
            found.append(
                ((ours - kept) / weight / window.interval_ms * stretch, window.interval_ms)
            )
    return found


@pytest.mark.parametrize("exchange", sorted(PUBLISHED_LIMITS))
@pytest.mark.parametrize("family", list(Family))
async def test_at_least_95_percent_of_the_allowed_gets_through(exchange, family) -> None:
    """Three bots that always want more; requests take 20 ms."""
    limiter = APIRateLimiter(exchange, virtual_clock())
    is_exit = USUAL_PRIORITY[family] is Priority.EXIT
    rates = _rates(exchange, family, 1.0 if is_exit else 0.8)
    span_s = 4 * max(interval_ms for _, interval_ms in rates) / 1000
    loop = asyncio.get_running_loop()
    end_s = loop.time() + span_s
    through = 0

    async def keep_asking(bot: str) -> None:
        nonlocal through

        async def send(turn: Turn) -> None:
            with turn:
                await asyncio.sleep(0.02)

        with asking_for(bot):
            async with asyncio.TaskGroup() as tasks:
                while True:
                    turn = await limiter.wait(family)
                    if loop.time() >= end_s:
                        return
                    through += 1
                    tasks.create_task(send(turn))

    await asyncio.gather(*(keep_asking(f"bot {number}") for number in range(3)))
    allowed = min(rate for rate, _ in rates) * span_s * 1000
    assert through >= 0.95 * allowed


async def test_exits_and_orders_together_use_the_whole_budget(bybit) -> None:
    loop = asyncio.get_running_loop()
    sent = {Priority.EXIT: 0, Priority.ORDER: 0}

    async def keep_asking(priority: Priority) -> None:
        while True:
            turn = await bybit.wait("order_create", account="main", priority=priority)
            if loop.time() >= 10:
                return
            turn.end()
            sent[priority] += 1
            if priority is Priority.EXIT:
                await asyncio.sleep(0.5)

    await asyncio.gather(keep_asking(Priority.EXIT), keep_asking(Priority.ORDER))
    assert sum(sent.values()) >= 0.95 * 80  # of the 8 a second, 2 are the exits' alone
    assert sent[Priority.EXIT] == 20


@settings(max_examples=25)
@given(
    exchange=EXCHANGES,
    family=st.sampled_from(list(Family)),
    others=st.sets(st.sampled_from(list(Family)), max_size=4),
    is_banned=st.booleans(),
    seconds=st.integers(1, 700),
)
def test_a_refusal_means_no_request_at_all_before_its_reset(
    exchange, family, others, is_banned, seconds
) -> None:
    """And the first one at that very moment."""
    times: dict[tuple[str, Family], list[float]] = defaultdict(list)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        limiter = APIRateLimiter(exchange, virtual_clock())
        limiter.penalise(ADDRESS if is_banned else family, seconds, account="main")

        async def ask(bot: int, account: str, wanted: Family, priority: Priority | None) -> None:
            with asking_for(f"bot {bot}"):
                (await limiter.wait(wanted, account=account, priority=priority)).end()
            times[account, wanted].append(loop.time())

        await asyncio.gather(
            *(
                ask(bot, account, wanted, priority)
                for bot in range(3)
                for account in ("main", "second")
                for wanted in {family, *others}
                for priority in (None, Priority.EXIT, Priority.DOWNLOAD)
            )
        )

    in_virtual_time(story)
    for (account, wanted), when in times.items():
        if is_banned or (account == "main" and wanted is family):
            assert min(when) >= seconds
        elif account == "second" and _is_the_accounts_own(exchange, family):
            assert min(when) < 1, "the other account was never refused"
    assert min(times["main", family]) == pytest.approx(seconds, abs=0.002)


def _is_the_accounts_own(exchange: str, family: Family) -> bool:
    table = PUBLISHED_LIMITS[exchange]
    return any(table.limits[name].scope is Scope.ACCOUNT for name in table.families[family])


async def test_whatever_the_others_do_a_fifth_is_left_for_an_exit(bybit) -> None:
    """Market data and orders have taken all they may; a cancel and a close leave at once."""
    loop = asyncio.get_running_loop()
    crowd = [
        asyncio.create_task(bybit.wait(family, account="main"))
        for family in ("market", "order_create", "order_amend")
        for _ in range(700)
    ]
    await asyncio.sleep(0)
    left = [bybit.get_wait_time(1, f, account="main") for f in ("market", "order_create")]
    assert all(wait_s > 0 for wait_s in left)
    for family in ("order_cancel", "order_create"):
        for _ in range(2):
            await bybit.wait(family, account="main", priority=Priority.EXIT)
    assert loop.time() == 0
    for waiting in crowd:
        waiting.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_classes_go_in_order(bybit) -> None:
    went: list[Priority] = []

    async def ask(priority: Priority) -> None:
        await bybit.wait("order_read", account="main", priority=priority)
        went.append(priority)

    for _ in range(40):
        bybit.acquire(family="order_read", account="main")
    await asyncio.gather(*(ask(priority) for priority in reversed(Priority)))
    assert went == list(Priority)


async def test_owners_of_one_class_take_turns(bybit) -> None:
    """A bot that asks for 200 candles holds up nobody who wants five."""
    went: list[str] = []

    async def ask(bot: str) -> None:
        (await bybit.wait("market")).end()
        went.append(bot)

    for _ in range(384):
        bybit.acquire()
    asks = []
    for bot, count in (("greedy", 200), ("modest", 5), ("late", 5)):
        with asking_for(bot):
            asks += [asyncio.create_task(ask(bot)) for _ in range(count)]
    await asyncio.gather(*asks)
    assert [went.count(bot) for bot in ("greedy", "modest", "late")] == [200, 5, 5]
    assert sorted(went[:15]) == sorted(["greedy", "modest", "late"] * 5)


async def test_owners_take_turns_even_when_tokens_come_back_one_by_one(bybit) -> None:
    went: list[str] = []

    async def ask(bot: str) -> None:
        (await bybit.wait("order_cancel")).end()
        went.append(bot)

    for _ in range(8):
        (await bybit.wait("order_cancel")).end()
        await asyncio.sleep(0.1)
    asks = []
    for bot in ("first", "second", "third"):
        with asking_for(bot):
            asks += [asyncio.create_task(ask(bot)) for _ in range(8)]
    await asyncio.gather(*asks)
    assert went[:6] == ["first", "second", "third"] * 2


async def test_one_owners_requests_go_as_they_were_asked(bybit) -> None:
    went: list[int] = []

    async def ask(number: int) -> None:
        await bybit.wait("order_create", 1 + number % 3, account="main")
        went.append(number)

    await asyncio.gather(*(ask(number) for number in range(30)))
    assert went == list(range(30))
    stats = bybit.get_stats("order_create")
    assert (stats.total_requests, stats.rejected_requests) == (30, 0)
    assert stats.avg_wait_time > 1


async def test_nobody_starves_behind_a_class_that_always_wants_more(bybit) -> None:
    """Data saturate the address for ever; a download waits for a window, not for their end."""
    loop = asyncio.get_running_loop()

    async def keep_asking() -> None:
        while True:
            (await bybit.wait("market")).end()

    crowd = [asyncio.create_task(keep_asking()) for _ in range(20)]
    await asyncio.sleep(12)
    for _ in range(10):
        asked_s = loop.time()
        (await bybit.wait("market", priority=Priority.DOWNLOAD)).end()
        assert loop.time() - asked_s < 5.1
    for one in crowd:
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_a_heavy_request_is_not_overtaken_for_ever() -> None:
    """All open orders of Binance weigh 40; light ones would use up every token that comes back."""
    limiter = APIRateLimiter("binance", virtual_clock())
    loop = asyncio.get_running_loop()

    async def keep_asking() -> None:
        while True:
            (await limiter.wait("order_read", account="main")).end()
            await asyncio.sleep(0.01)

    crowd = [asyncio.create_task(keep_asking()) for _ in range(30)]
    await asyncio.sleep(70)
    asked_s = loop.time()
    (await limiter.wait("open_orders", account="main", priority=Priority.DATA)).end()
    assert loop.time() - asked_s < 61
    for one in crowd:
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_a_request_on_its_way_counts_until_a_window_after_its_answer(bybit) -> None:
    """Eight orders that the network delays must not meet the next eight in one second there."""
    loop = asyncio.get_running_loop()
    delayed = [await bybit.wait("order_cancel", account="main") for _ in range(8)]
    await asyncio.sleep(1.001)
    after = [await bybit.wait("order_cancel", account="main") for _ in range(2)]
    assert loop.time() == pytest.approx(1.001)
    waiting = asyncio.create_task(bybit.wait("order_cancel", account="main"))
    await asyncio.sleep(0.5)
    for turn in delayed + after:
        turn.end()
    await waiting
    assert loop.time() == pytest.approx(2.502, abs=0.002)


async def test_a_request_without_an_answer_is_not_on_its_way_for_ever(bybit) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(8):
        await bybit.wait("order_cancel", account="main")  # never answered
    await asyncio.sleep(2.5)
    for _ in range(8):
        await bybit.wait("order_cancel", account="main")
    assert loop.time() < 5
