"""Fills asked by REST: the execution list says what was traded, the transaction log what it earned.

Bybit states a trade's realised result (`execPnl`) on the private stream only. A fill is booked
once, by its trade id, so one that the log does not explain yet is asked for again, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from core.models.fills import Fill, FillKind
from exchanges import bybit_parsers
from exchanges.bybit_errors import unanswered
from exchanges.bybit_rest import BybitRest, parsed
from exchanges.bybit_words import SETTLE_COIN
from exchanges.request_limiter import Family

_WINDOW_MS = 7 * 86_400_000  # both endpoints take at most seven days at once
_LOG_MARGIN_MS = 60_000  # around the trades asked for: two services need not agree to the ms
_LOG_PAUSES_S = (0.3, 1.5)  # the log may come a moment after the trade


class BybitFills:
    """Reads one account's fills; `sleep` waits real seconds."""

    def __init__(
        self,
        rest: BybitRest,
        account: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest = rest
        self._account = account
        self._sleep = sleep

    async def between(self, start_ms: int, end_ms: int) -> list[Fill]:
        """Oldest first, each once. Raises Unavailable, also when the log does not say yet what a
        closing trade earned; RateLimited, RequestRejected."""
        rows = await self._rows(
            Family.FILLS, self._rest.http.get_executions, start_ms, end_ms, limit=100
        )
        found = parsed(lambda rows: bybit_parsers.fills(rows, self._account), rows)
        fills = {fill.trade_id: fill for fill in found}
        trades = [fill for fill in fills.values() if fill.kind is FillKind.TRADE]
        if trades:
            results = await self._results(trades)
            for fill in trades:
                result = results.get(fill.trade_id, Decimal(0))
                fills[fill.trade_id] = msgspec.structs.replace(fill, realized_pnl=result)
        return sorted(fills.values(), key=lambda fill: fill.time_ms)

    async def _results(self, trades: list[Fill]) -> dict[str, Decimal]:
        """Realised result before fees by trade id; every trade that closed something is in it."""
        times_ms = [fill.time_ms for fill in trades]
        start_ms, end_ms = min(times_ms) - _LOG_MARGIN_MS, max(times_ms) + _LOG_MARGIN_MS
        for pause_s in (*_LOG_PAUSES_S, None):
            rows = await self._rows(
                Family.BOOKINGS,
                self._rest.http.get_transaction_log,
                start_ms,
                end_ms,
                accountType="UNIFIED",
                currency=SETTLE_COIN,
                limit=50,
            )
            results = parsed(bybit_parsers.realized_results, rows)
            missing = [f for f in trades if f.closed_quantity and f.trade_id not in results]
            if not missing:
                return results
            if pause_s is not None:
                await self._sleep(pause_s)
        raise unanswered(
            f"its transaction log does not say yet what trade {missing[0].trade_id} of "
            f"{missing[0].symbol} earned",
            is_write=False,
        )

    async def _rows(
        self,
        family: Family,
        endpoint: Callable[..., Any],
        start_ms: int,
        end_ms: int,
        **parameters: object,
    ) -> list[Any]:
        rows: list[Any] = []
        for first_ms, last_ms in _windows(start_ms, end_ms):
            rows += await self._rest.pages(
                family, endpoint, startTime=first_ms, endTime=last_ms, **parameters
            )
        return rows


def _windows(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Both ends inclusive, none longer than Bybit allows. The last reaches past `end_ms`: trades
    of this very moment belong to it."""
    while start_ms <= end_ms:
        yield start_ms, start_ms + _WINDOW_MS - 1
        start_ms += _WINDOW_MS
