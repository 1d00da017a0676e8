"""Bybit v5, linear USDT perpetuals, behind the port: REST by pybit, private stream by pybit,
public stream by picows. Another host (demo exchange, testnet) is another URL, nothing else.

This file holds the order of calls; words are translated in `bybit_parsers.py`, errors in
`bybit_errors.py`, sockets live in `ws_multiplex_handler.py` and `bybit_private_stream.py`.
"""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any

from core.clock import Clock
from core.exchange_port import ExchangeListener, RequestRejected
from core.models.candles import Candle, Ticker, Timeframe
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderRequest, OrderType, Side
from core.models.positions import Balance, Position
from exchanges import bybit_parsers
from exchanges.bybit_dialect import BybitDialect
from exchanges.bybit_errors import unanswered
from exchanges.bybit_fills import BybitFills
from exchanges.bybit_private_stream import BybitPrivateStream, PrivateTiming
from exchanges.bybit_rest import BybitRest, parsed, rows_of
from exchanges.bybit_words import (
    CATEGORY,
    EXCHANGE,
    INTERVAL_OF,
    SETTLE_COIN,
    SIDE_OF,
    TIME_IN_FORCE_OF,
)
from exchanges.credentials import Credentials
from exchanges.request_limiter import Family, Priority, RequestLimiter
from exchanges.stream_backoff import FullJitterBackoff
from exchanges.stream_connection import StreamTiming
from exchanges.streamed_port import StreamedPort
from exchanges.ws_multiplex_handler import WsMultiplexHandler

REST_URL = "https://api.bybit.com"
WS_PRIVATE_URL = "wss://stream.bybit.com/v5/private"

MAX_CANDLES_PER_CALL = 1000
MOST_ROWS_OF_A_POLL = 10
PARAMETER_ERROR = "10001"

_RISES_TO_TRIGGER, _FALLS_TO_TRIGGER = 1, 2


class BybitExchange(StreamedPort):
    """Both ports of one Bybit account; without credentials only the market-data half works.

    `clock` is market time of that host, `limiter` every request waits for, `rng` jitters
    reconnects. An instruction that our own limiter holds for too long raises RateLimited unsent.
    """

    def __init__(
        self,
        account: str,
        *,
        credentials: Credentials | None,
        clock: Clock,
        limiter: RequestLimiter,
        rng: random.Random,
        rest_url: str = REST_URL,
        ws_public_url: str = "",
        ws_private_url: str = WS_PRIVATE_URL,
        request_timeout_s: float = 10.0,
        stream_timing: StreamTiming = StreamTiming(),  # noqa: B008 (immutable)
        private_timing: PrivateTiming = PrivateTiming(),  # noqa: B008 (immutable)
    ) -> None:
        self._account = account
        self._clock = clock
        self._rest = BybitRest(rest_url, credentials, limiter, timeout_s=request_timeout_s)
        self._fills = BybitFills(self._rest, account)
        self._public = WsMultiplexHandler(
            BybitDialect(ws_public_url), clock=clock, rng=rng, timing=stream_timing
        )
        self._private: BybitPrivateStream | None = None
        if credentials is not None:
            self._private = BybitPrivateStream(
                ws_private_url,
                account=account,
                credentials=credentials,
                backoff=FullJitterBackoff(rng),
                timing=private_timing,
            )

    @property
    def exchange(self) -> str:
        return EXCHANGE

    @property
    def account(self) -> str:
        return self._account

    # ---- market data

    async def fetch_instruments(self) -> list[Instrument]:
        rows = await self._rest.pages(
            Family.INSTRUMENTS, self._rest.http.get_instruments_info, limit=1000
        )
        return parsed(bybit_parsers.instruments, rows)

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        newest_closed_ms = timeframe.floor_ms(self._clock.time_ms()) - 1
        last_ms = newest_closed_ms if end_ms is None else min(end_ms, newest_closed_ms)
        found: dict[int, Candle] = {}
        if start_ms is None:
            while len(found) < limit:
                count = min(MAX_CANDLES_PER_CALL, limit - len(found))
                page = await self._kline_page(symbol, timeframe, None, last_ms, count)
                if not page:
                    break
                found |= {candle.open_time_ms: candle for candle in page}
                last_ms = page[0].open_time_ms - 1
            return sorted(found.values(), key=_open_time)[-limit:]
        # Windows that cannot hold more bars than a page has: which end of a longer one the
        # exchange would cut off need not be known.
        window_ms = (MAX_CANDLES_PER_CALL - 1) * timeframe.duration_ms
        while start_ms <= last_ms and len(found) < limit:
            window_end_ms = min(start_ms + window_ms, last_ms)
            page = await self._kline_page(
                symbol, timeframe, start_ms, window_end_ms, MAX_CANDLES_PER_CALL
            )
            found |= {candle.open_time_ms: candle for candle in page}
            start_ms = window_end_ms + 1
        return sorted(found.values(), key=_open_time)[:limit]

    async def _kline_page(
        self, symbol: str, timeframe: Timeframe, start_ms: int | None, end_ms: int, count: int
    ) -> list[Candle]:
        """Oldest first; only bars that open in [start_ms, end_ms], whatever came."""
        rows = count if start_ms is None else (end_ms - start_ms) // timeframe.duration_ms + 1
        result = await self._rest.read(
            Family.MARKET,
            self._rest.http.get_kline,
            is_poll=rows <= MOST_ROWS_OF_A_POLL,
            category=CATEGORY,
            symbol=symbol,
            interval=INTERVAL_OF[timeframe],
            start=start_ms,
            end=end_ms,
            limit=count,
        )
        first_ms = 0 if start_ms is None else start_ms
        return [
            candle
            for candle in parsed(bybit_parsers.candles, rows_of(result))
            if first_ms <= candle.open_time_ms <= end_ms
        ]

    async def fetch_tickers(self) -> list[Ticker]:
        result = await self._rest.read(
            Family.TICKERS, self._rest.http.get_tickers, category=CATEGORY
        )
        now_ms = self._clock.time_ms()
        found = parsed(lambda rows: bybit_parsers.tickers(rows, now_ms), rows_of(result))
        return [ticker for ticker in found if ticker.symbol.endswith(SETTLE_COIN)]

    async def fetch_clock_offset_ms(self) -> int:
        sent_ns = time.time_ns()
        result = await self._rest.read(Family.MARKET, self._rest.http.get_server_time)
        received_ns = time.time_ns()
        try:
            server_ns = int(result["timeNano"])
        except (KeyError, TypeError, ValueError):
            raise unanswered("its time was not in Bybit's form", is_write=False) from None
        return round((server_ns - (sent_ns + received_ns) / 2) / 1e6)

    # ---- trading

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Also raises Unavailable or RateLimited when the account cannot be checked now."""
        if self._private is None:
            raise RequestRejected(f"Account {self._account} has no API key.")
        await self._require_one_way_mode()
        self._private.start(listener)

    async def _require_one_way_mode(self) -> None:
        """Open positions tell their mode; a flat account is asked about the one symbol that
        every host has, or nearly (a replayed market may lack it, then nothing can be learnt)."""
        rows = await self._position_rows()
        try:
            result = await self._rest.read(
                Family.POSITIONS, self._rest.http.get_positions, category=CATEGORY, symbol="BTCUSDT"
            )
            rows += rows_of(result)
        except RequestRejected as refusal:
            if refusal.code != PARAMETER_ERROR:
                raise
        if parsed(bybit_parsers.position_modes, rows) - {0}:
            raise RequestRejected(
                f"Account {self._account} is in hedge mode at Bybit; switch its USDT perpetuals "
                "to one-way mode."
            )

    async def place_order(self, request: OrderRequest) -> str:
        result = await self._rest.write(
            Family.ORDER_CREATE,
            self._rest.http.place_order,
            priority=Priority.EXIT if request.reduce_only else Priority.ORDER,
            owner=request.bot_id,
            **_order_parameters(request),
        )
        order_id = result.get("orderId")
        if not isinstance(order_id, str) or not order_id:
            raise unanswered("the answer names no order", is_write=True)
        return order_id

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        await self._rest.write(
            Family.ORDER_CANCEL,
            self._rest.http.cancel_order,
            category=CATEGORY,
            symbol=symbol,
            orderId=exchange_order_id or None,
            orderLinkId=None if exchange_order_id else client_order_id,
        )

    async def amend_order(
        self,
        symbol: str,
        client_order_id: str,
        exchange_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> None:
        await self._rest.write(
            Family.ORDER_AMEND,
            self._rest.http.amend_order,
            category=CATEGORY,
            symbol=symbol,
            orderId=exchange_order_id or None,
            orderLinkId=None if exchange_order_id else client_order_id,
            qty=None if quantity is None else f"{quantity:f}",
            price=None if price is None else f"{price:f}",
        )

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        http = self._rest.http
        for family, endpoint in (
            (Family.ORDER_READ, http.get_open_orders),
            (Family.ORDER_HISTORY, http.get_order_history),
        ):
            result = await self._rest.read(
                family, endpoint, category=CATEGORY, symbol=symbol, orderLinkId=client_order_id
            )
            for order in self._orders(rows_of(result)):
                if order.client_order_id == client_order_id:
                    return order
        return None

    async def fetch_open_orders(self) -> list[Order]:
        rows = await self._rest.pages(
            Family.OPEN_ORDERS, self._rest.http.get_open_orders, settleCoin=SETTLE_COIN, limit=50
        )
        return [order for order in self._orders(rows) if not order.status.is_terminal]

    async def fetch_positions(self) -> list[Position]:
        found = parsed(
            lambda rows: bybit_parsers.positions(rows, self._account), await self._position_rows()
        )
        return [position for position in found if not position.is_flat]

    async def fetch_balance(self) -> Balance:
        result = await self._rest.read(
            Family.BALANCE,
            self._rest.http.get_wallet_balance,
            accountType="UNIFIED",
            coin=SETTLE_COIN,
        )
        now_ms = self._clock.time_ms()
        found = parsed(
            lambda rows: bybit_parsers.wallet(rows, self._account, now_ms), rows_of(result)
        )
        if found is None:
            raise unanswered(f"the account shows no {SETTLE_COIN} wallet", is_write=False)
        return found

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        return await self._fills.between(start_ms, self._clock.time_ms())

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await self._rest.write(
            Family.LEVERAGE,
            self._rest.http.set_leverage,
            category=CATEGORY,
            symbol=symbol,
            buyLeverage=_plain(leverage),
            sellLeverage=_plain(leverage),
        )

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if stop_loss is None and take_profit is None:
            return
        await self._rest.write(
            Family.PROTECTION,
            self._rest.http.set_trading_stop,
            category=CATEGORY,
            symbol=symbol,
            positionIdx=0,
            **_protection_parameters(stop_loss, take_profit),
        )

    async def stop(self) -> None:
        await self._public.stop()
        if self._private is not None:
            await self._private.stop()
        self._rest.stop()

    # ---- shared

    async def _position_rows(self) -> list[Any]:
        return await self._rest.pages(
            Family.POSITIONS, self._rest.http.get_positions, settleCoin=SETTLE_COIN, limit=200
        )

    def _orders(self, rows: list[Any]) -> list[Order]:
        return parsed(lambda found: bybit_parsers.orders(found, self._account), rows)


def _open_time(candle: Candle) -> int:
    return candle.open_time_ms


def _plain(value: Decimal) -> str:
    """Digits only: Bybit refuses an exponent."""
    return f"{value:f}"


def _order_parameters(request: OrderRequest) -> dict[str, Any]:
    is_limit = request.order_type is OrderType.LIMIT
    parameters: dict[str, Any] = {
        "category": CATEGORY,
        "symbol": request.symbol,
        "side": SIDE_OF[request.side],
        "orderType": "Limit" if is_limit else "Market",
        "qty": _plain(request.quantity),
        "timeInForce": TIME_IN_FORCE_OF[request.time_in_force] if is_limit else "IOC",
        "positionIdx": 0,
        "orderLinkId": request.client_order_id,
        "reduceOnly": request.reduce_only,
    }
    if is_limit:
        parameters["price"] = _plain(_required_price(request))
    elif request.order_type is OrderType.STOP_MARKET:
        parameters["triggerPrice"] = _plain(_required_price(request))
        parameters["triggerBy"] = "LastPrice"
        parameters["triggerDirection"] = (
            _RISES_TO_TRIGGER if request.side is Side.BUY else _FALLS_TO_TRIGGER
        )
    if request.stop_loss is not None or request.take_profit is not None:
        parameters |= _protection_parameters(request.stop_loss, request.take_profit)
    return parameters


def _required_price(request: OrderRequest) -> Decimal:
    if request.price is None:
        raise RequestRejected(f"A {request.order_type} order needs a price.")
    return request.price


def _protection_parameters(
    stop_loss: Decimal | None, take_profit: Decimal | None
) -> dict[str, Any]:
    """Whole position, market orders, triggered by the last price."""
    parameters: dict[str, Any] = {"tpslMode": "Full"}
    if stop_loss is not None:
        parameters |= {"stopLoss": _plain(stop_loss), "slTriggerBy": "LastPrice"}
    if take_profit is not None:
        parameters |= {"takeProfit": _plain(take_profit), "tpTriggerBy": "LastPrice"}
    return parameters
