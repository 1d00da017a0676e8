"""However an exchange pages, the union is exact, and what is absent is known to be absent."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.market_data.integrity import coalesced
from core.market_data.paging import fetch_range
from core.models.candles import Candle, SeriesKey, Timeframe

KEY = SeriesKey("bybit", "BTCUSDT", Timeframe.M1)
STEP_MS = 60_000
ONE = Decimal(1)


class Exchange:
    """Cuts a long answer off at one end, and may send the bar after the range as well."""

    def __init__(self, traded: set[int], *, cap: int, is_newest_first: bool, extra: bool) -> None:
        self.times = sorted(number * STEP_MS for number in traded)
        self.cap = cap
        self.is_newest_first = is_newest_first
        self.extra = extra
        self.requests: list[tuple[int, int]] = []

    async def fetch(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        assert start_ms is not None
        assert end_ms is not None
        self.requests.append((start_ms, end_ms))
        rows = [time_ms for time_ms in self.times if start_ms <= time_ms <= end_ms]
        count = min(limit, self.cap)
        rows = rows[-count:] if self.is_newest_first else rows[:count]
        if self.extra:
            rows += [end_ms + STEP_MS]
        page = [Candle(time_ms, ONE, ONE, ONE, ONE, ONE) for time_ms in rows]
        return page[::-1] if self.is_newest_first else page


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(1, 700), st.integers(1, 300)), max_size=6),
    first=st.integers(0, 200),
    cap=st.sampled_from([100, 200, 300, 1000]),
    is_newest_first=st.booleans(),
    extra=st.booleans(),
)
def test_union_is_exact_with_any_page_length_and_direction(
    runs: list[tuple[int, int]], first: int, cap: int, is_newest_first: bool, extra: bool
) -> None:
    traded: set[int] = set()
    number = 0
    for length, pause in runs:
        traded |= set(range(number, number + length))
        number += length + pause
    last = max(first, number - 100)
    exchange = Exchange(traded, cap=cap, is_newest_first=is_newest_first, extra=extra)
    found: list[int] = []

    async def take(page: list[Candle]) -> None:
        times = [c.open_time_ms for c in page]
        assert times == sorted(times)
        found.extend(times)

    asked = (first * STEP_MS, last * STEP_MS)
    unanswered = asyncio.run(fetch_range(exchange.fetch, KEY, asked, take))
    wanted = sorted(n * STEP_MS for n in traded if first <= n <= last)
    assert sorted(found) == wanted, "every bar once"
    assert all(not set(range(a, b + 1, STEP_MS)) & set(wanted) for a, b in unanswered)
    assert extra or not unanswered
    fewest = -(-len(wanted) // min(cap, 1000))
    assert len(exchange.requests) <= 2 * fewest + 3 + len(runs)


def test_a_short_range_takes_one_request() -> None:
    exchange = Exchange({1, 2, 5}, cap=200, is_newest_first=True, extra=False)

    async def take(page: list[Candle]) -> None:
        assert [c.open_time_ms // STEP_MS for c in page] == [1, 2, 5]

    asyncio.run(fetch_range(exchange.fetch, KEY, (0, 90 * STEP_MS), take))
    assert len(exchange.requests) == 1


@given(
    gaps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 60)), max_size=40),
    most=st.integers(1, 50),
)
def test_gaps_close_together_become_one_range(gaps: list[tuple[int, int]], most: int) -> None:
    ranges, end = [], 0
    for pause, length in gaps:
        ranges.append((end + pause, end + pause + length))
        end += pause + length
    joined = coalesced(ranges, 1, most)
    assert {n for a, b in ranges for n in range(a, b + 1)} <= {
        n for a, b in joined for n in range(a, b + 1)
    }
    assert all(b - a < most or (a, b) in ranges for a, b in joined)
    assert len(joined) <= len(ranges)
