"""Fills asked by REST. Most exchanges list trades of one symbol at a time: the account's bookings
tell which symbols had any, and hold the funding payments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from core.models.fills import Fill, FillKind
from core.models.orders import Side
from exchanges import ccxt_parsers
from exchanges.ccxt_errors import unanswered
from exchanges.ccxt_parsers import Row
from exchanges.ccxt_rest import CcxtRest
from exchanges.request_limiter import Family

_WINDOW_MS = 7 * 86_400_000  # the shortest of the longest that they allow
_PAGE = 100
_MOST_PAGES = 200


class CcxtFills:
    """Reads one account's fills."""

    def __init__(
        self, rest: CcxtRest, account: str, market_of: Callable[[Row], Row | None]
    ) -> None:
        self._rest = rest
        self._account = account
        self._market_of = market_of

    async def between(self, start_ms: int, end_ms: int) -> list[Fill]:
        """Oldest first, each once, funding included. Raises Unavailable, RateLimited,
        RequestRejected."""
        found: dict[str, Fill] = {}
        for first_ms, last_ms in _windows(start_ms, end_ms):
            for symbol in await self._symbols(first_ms, last_ms):
                for fill in await self._trades(symbol, first_ms, last_ms):
                    found.setdefault(fill.trade_id, fill)
            for fill in await self._funding(first_ms, last_ms):
                found.setdefault(fill.trade_id, fill)
        return sorted(found.values(), key=lambda fill: (fill.time_ms, fill.trade_id))

    async def _symbols(self, first_ms: int, last_ms: int) -> list[str | None]:
        """Those that had a booking; [None] where one question answers for all."""
        ask = _BOOKINGS.get(self._rest.quirks.exchange)
        if ask is None:
            return [None]
        rows = await self._rest.read(Family.BOOKINGS, lambda client: ask(client, first_ms, last_ms))
        client = self._rest.client
        ids = {ccxt_parsers.text(row, "symbol") for row in rows}
        by_id: dict[str, Any] = client.markets_by_id
        markets = [market for name in sorted(ids - {""}) for market in by_id.get(name, [])]
        return [market["symbol"] for market in markets if self._market_of(market) is not None]

    async def _trades(self, symbol: str | None, first_ms: int, last_ms: int) -> list[Fill]:
        words = {"until": last_ms, **({"instType": "SWAP"} if symbol is None else {})}
        rows = await self._pages(
            Family.FILLS,
            lambda client, since_ms: client.fetch_my_trades(symbol, since_ms, _PAGE, words),
            first_ms,
        )
        return [
            self._parsed(ccxt_parsers.fill, row, market)
            for row in rows
            if (market := self._market_of(row)) is not None
        ]

    async def _funding(self, first_ms: int, last_ms: int) -> list[Fill]:
        symbols: list[str | None] = [None]
        if self._rest.quirks.exchange == "bitget":
            symbols = await self._symbols(first_ms, last_ms)
        rows: list[Row] = []
        for symbol in symbols:
            rows += await self._pages(
                Family.BOOKINGS,
                partial(_funding_page, symbol=symbol, last_ms=last_ms),
                first_ms,
            )
        return [
            self._parsed(_funding_fill, row, market)
            for row in rows
            if first_ms <= ccxt_parsers.moment_ms(row) <= last_ms
            and (market := self._market_of(row)) is not None
        ]

    async def _pages(self, family: Family, ask: Callable[..., Any], first_ms: int) -> list[Row]:
        """All rows from `first_ms` on, oldest page first. Raises Unavailable when they do not come
        to an end."""
        found: dict[str, Row] = {}
        since_ms = first_ms
        for _ in range(_MOST_PAGES):
            page = partial(ask, since_ms=since_ms)
            rows = await self._rest.read(family, page)
            new = [row for row in rows if ccxt_parsers.text(row, "id") not in found]
            found |= {ccxt_parsers.text(row, "id"): row for row in new}
            if not new or len(rows) < _PAGE:
                return list(found.values())
            since_ms = max(ccxt_parsers.moment_ms(row) for row in new)
        raise unanswered(self._rest.quirks.title, "its list of fills has no end", is_write=False)

    def _parsed(self, parse: Callable[[Row, str, Row], Fill], row: Row, market: Row) -> Fill:
        try:
            return parse(row, self._account, market)
        except (msgspec.ValidationError, AttributeError) as fault:
            title = self._rest.quirks.title
            cause = f"the answer cannot be read ({fault})"
            raise unanswered(title, cause, is_write=False) from None


async def _funding_page(client: Any, symbol: str | None, last_ms: int, since_ms: int) -> Any:
    return await client.fetch_funding_history(symbol, since_ms, _PAGE, {"until": last_ms})


def _funding_fill(row: Row, account: str, market: Row) -> Fill:
    paid = -ccxt_parsers.required(row, "amount")
    return Fill(
        trade_id=f"funding:{ccxt_parsers.text(row, 'id')}",
        exchange_order_id="",
        client_order_id="",
        account=account,
        bot_id="",
        symbol=ccxt_parsers.our_symbol(market),
        side=Side.BUY,
        quantity=Decimal(0),
        price=Decimal(0),
        fee=paid,
        time_ms=ccxt_parsers.moment_ms(row),
        kind=FillKind.FUNDING,
    )


async def _binance(client: Any, first_ms: int, last_ms: int) -> list[Row]:
    answer = await client.fapiPrivateGetIncome(
        {"startTime": first_ms, "endTime": last_ms, "limit": 1000}
    )
    return list(answer)


async def _bitget(client: Any, first_ms: int, last_ms: int) -> list[Row]:
    answer = await client.privateMixGetV2MixAccountBill(
        {"productType": "USDT-FUTURES", "startTime": first_ms, "endTime": last_ms, "limit": 100}
    )
    return list((answer.get("data") or {}).get("bills") or [])


async def _bingx(client: Any, first_ms: int, last_ms: int) -> list[Row]:
    answer = await client.swapV2PrivateGetUserIncome(
        {"startTime": first_ms, "endTime": last_ms, "limit": 1000}
    )
    return list(answer.get("data") or [])


_BOOKINGS = {"binance": _binance, "bitget": _bitget, "bingx": _bingx}


def _windows(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Both ends inclusive; the last reaches past `end_ms`: trades of this very moment count."""
    while start_ms <= end_ms:
        yield start_ms, start_ms + _WINDOW_MS - 1
        start_ms += _WINDOW_MS
