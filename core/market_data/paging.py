"""Asking an exchange for a range of candles, however it pages.

Some exchanges cut a long answer off at its newest end, some at its oldest; some send 1000 bars at
most, some 200. So what a page proves is only this: between its first and its last bar there are
no others. What lies outside is asked for again, until an answer is empty or plainly complete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.market_data.integrity import Range
from core.models.candles import Candle, SeriesKey, Timeframe

PAGE_ROWS = 1000
# No exchange sends fewer than 100 bars when it has more, of which the adapter drops the forming
# one: a shorter answer is complete.
_CUT_OFF_ROWS = 99


class FetchCandles(Protocol):
    """`MarketDataPort.fetch_candles`, or a rate-limited wrapper of it."""

    async def __call__(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]: ...


async def fetch_range(
    fetch: FetchCandles,
    key: SeriesKey,
    asked: Range,
    on_page: Callable[[list[Candle]], Awaitable[None]],
) -> list[Range]:
    """Hand every page of the bars that open in `asked` to `on_page`, each oldest first. Returns
    the parts that the exchange did not answer for: there, a missing bar proves nothing. Raises
    what `fetch` raises; what was handed over before is complete in itself."""
    step_ms = key.timeframe.duration_ms
    unanswered: list[Range] = []
    parts = [asked]
    while parts:
        first_ms, last_ms = parts.pop()
        limit = min(PAGE_ROWS, (last_ms - first_ms) // step_ms + 1)
        page = await fetch(
            key.symbol, key.timeframe, start_ms=first_ms, end_ms=last_ms, limit=limit
        )
        rows = sorted(
            (c for c in page if first_ms <= c.open_time_ms <= last_ms), key=lambda c: c.open_time_ms
        )
        if not rows:
            if page:  # it answered another question
                unanswered.append((first_ms, last_ms))
            continue
        await on_page(rows)
        if len(rows) < min(limit, _CUT_OFF_ROWS):
            continue
        rest = (
            (rows[-1].open_time_ms + step_ms, last_ms),
            (first_ms, rows[0].open_time_ms - step_ms),
        )
        parts += [part for part in rest if part[0] <= part[1]]
    return unanswered
