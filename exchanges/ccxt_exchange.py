"""Binance, OKX, Bitget and BingX (linear USDT perpetuals, one-way mode) and Upbit and Bithumb (spot
in won) behind the port: ccxt's REST and our own public streams. The account is asked regularly.

None of these adapters has met the real exchange yet: they are proven against recorded messages and
ccxt's own request tables. `UNVERIFIED` says so to whoever starts real money on one.

This file holds the order of calls. `ccxt_rest.py` sends, `ccxt_errors.py` judges what came back,
`ccxt_quirks.py` has what differs, `ccxt_parsers.py` translates, `polled_streams.py` asks again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from core.clock import Clock
from core.exchange_port import ExchangeListener, RequestRejected, Unavailable
from core.models.candles import Candle, Ticker, Timeframe
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderType
from core.models.positions import Balance, Position
from exchanges import ccxt_parsers
from exchanges.ccxt_errors import unanswered
from exchanges.ccxt_fills import CcxtFills
from exchanges.ccxt_orders import order_words
from exchanges.ccxt_parsers import CONDITIONAL, Row, contract_size, our_symbol
from exchanges.ccxt_protection import WAYS, Stop, decimal_text
from exchanges.ccxt_quirks import QUIRKS
from exchanges.ccxt_rest import Asked, CcxtRest
from exchanges.ccxt_wallets import wallet
from exchanges.credentials import Credentials
from exchanges.polled_streams import PolledAccount, PolledMarket
from exchanges.public_dialects import PUBLIC_DIALECTS
from exchanges.request_limiter import Family, Priority, RequestLimiter
from exchanges.stream_connection import StreamTiming
from exchanges.streamed_market import StreamedMarket, WireMarket
from exchanges.streamed_port import StreamedPort

UNVERIFIED = frozenset(QUIRKS)
Parsed = TypeVar("Parsed")


class CcxtExchange(StreamedPort):
    """Both ports of one account; without credentials only the market-data half works.

    `clock` is market time of that host, `limiter` every request waits for, `rng` jitters
    reconnects. The URLs move every request and the public stream to one address (a local
    server)."""

    def __init__(
        self,
        exchange: str,
        account: str,
        *,
        credentials: Credentials | None,
        clock: Clock,
        limiter: RequestLimiter,
        rng: random.Random,
        rest_url: str = "",
        ws_public_url: str = "",
        request_timeout_s: float = 10.0,
        stream_timing: StreamTiming = StreamTiming(),  # noqa: B008 (immutable)
    ) -> None:
        self._quirks = QUIRKS[exchange]
        self._account = account
        self._has_key = credentials is not None
        self._clock = clock
        self._rest = CcxtRest(
            self._quirks,
            credentials=credentials,
            clock=clock,
            limiter=limiter,
            rest_url=rest_url,
            timeout_s=request_timeout_s,
        )
        self._markets: dict[str, Row] = {}  # by our symbol
        self._fills = CcxtFills(self._rest, account, self._market_of_row)
        dialect = PUBLIC_DIALECTS[exchange]
        self._public = StreamedMarket(
            dialect(ws_public_url),
            PolledMarket(self, clock=clock, tickers_poll_s=self._quirks.tickers_poll_s),
            self._wire_markets,
            clock=clock,
            rng=rng,
            timing=stream_timing,
        )
        self._private = PolledAccount(self, clock=clock, poll_s=self._quirks.poll_s)

    @property
    def exchange(self) -> str:
        return self._quirks.exchange

    @property
    def account(self) -> str:
        return self._account

    # ---- market data

    async def fetch_instruments(self) -> list[Instrument]:
        await self._load_markets()
        prices: dict[str, Decimal] = {}
        if self._quirks.is_spot:  # ticks depend on the price there
            prices = {found.symbol: found.last_price for found in await self.fetch_tickers()}
        mode = self._rest.client.precisionMode
        return self._parsed(
            lambda: [
                ccxt_parsers.instrument(market, self._quirks, mode, prices.get(symbol))
                for symbol, market in self._markets.items()
            ]
        )

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
        page_ms = (self._quirks.candles_per_call - 1) * timeframe.duration_ms
        found: dict[int, Candle] = {}
        if start_ms is None:
            while len(found) < limit:
                missing_ms = (limit - len(found) - 1) * timeframe.duration_ms
                first_ms = timeframe.floor_ms(last_ms) - min(page_ms, missing_ms)
                page = await self._candle_page(symbol, timeframe, first_ms, last_ms)
                if not page:
                    break
                found |= {candle.open_time_ms: candle for candle in page}
                last_ms = page[0].open_time_ms - 1
            return [found[open_ms] for open_ms in sorted(found)][-limit:]
        while start_ms <= last_ms and len(found) < limit:
            window_end_ms = min(start_ms + page_ms, last_ms)
            page = await self._candle_page(symbol, timeframe, start_ms, window_end_ms)
            found |= {candle.open_time_ms: candle for candle in page}
            start_ms = window_end_ms + 1
        return [found[open_ms] for open_ms in sorted(found)][:limit]

    async def fetch_newest_candles(
        self, symbol: str, timeframe: Timeframe, count: int
    ) -> list[Candle]:
        """Oldest first, the forming one last. Raises as `fetch_candles`."""
        now_ms = self._clock.time_ms()
        first_ms = timeframe.floor_ms(now_ms) - (count - 1) * timeframe.duration_ms
        return await self._candle_page(symbol, timeframe, first_ms, now_ms)

    async def _candle_page(
        self, symbol: str, timeframe: Timeframe, first_ms: int, last_ms: int
    ) -> list[Candle]:
        """Oldest first; only bars that open in [first_ms, last_ms], whatever came."""
        market = await self._market(symbol)
        if timeframe.value not in self._rest.client.timeframes:
            raise RequestRejected(f"{self._quirks.title} has no {timeframe.value} candles.")
        count = (last_ms - first_ms) // timeframe.duration_ms + 1
        params: dict[str, Any] = {}
        if self._quirks.exchange == "bithumb":  # ccxt does not page there
            end = time.gmtime(last_ms // 1000 + 1 + 9 * 3600)  # Korean time, exclusive
            params["to"] = time.strftime("%Y-%m-%d %H:%M:%S", end)
        rows = await self._rest.read(
            Family.MARKET,
            lambda client: client.fetch_ohlcv(
                market["symbol"], timeframe.value, first_ms, count, params
            ),
            tokens=self._quirks.candle_tokens(count),
        )
        return [
            candle
            for candle in self._parsed(lambda: ccxt_parsers.candles(rows))
            if first_ms <= candle.open_time_ms <= last_ms
        ]

    async def fetch_tickers(self) -> list[Ticker]:
        await self._ready()
        wanted = [market["symbol"] for market in self._markets.values()]
        params = {} if self._quirks.is_spot else {"type": "swap"}
        rows = await self._rest.read(
            Family.TICKERS,
            lambda client: client.fetch_tickers(wanted if self._quirks.is_spot else None, params),
        )
        now_ms = self._clock.time_ms()

        def parse() -> list[Ticker]:
            found = (
                ccxt_parsers.ticker(rows[market["symbol"]], self.exchange, symbol, now_ms)
                for symbol, market in self._markets.items()
                if market["symbol"] in rows
            )
            return [ticker for ticker in found if ticker is not None]

        return self._parsed(parse)

    async def fetch_clock_offset_ms(self) -> int:
        """Where the exchange has no clock to ask, by the `Date` of an answer: to a second."""
        asked = Asked(Family.MARKET, is_write=False)
        sent_ns = time.time_ns()
        if self._rest.client.has["fetchTime"]:
            stated = await self._rest.call(asked, lambda client: client.fetch_time())
            if not isinstance(stated, int):
                raise unanswered(self._quirks.title, "its time is no time", is_write=False)
            server_ms = float(stated)
        else:
            await self._rest.call(asked, lambda client: client.fetch_ticker("BTC/KRW"))
            server_ms = _date_ms(asked)
        received_ns = time.time_ns()
        return round(server_ms - (sent_ns + received_ns) / 2e6)

    # ---- trading

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Also raises Unavailable or RateLimited when the account cannot be checked now."""
        title = self._quirks.title
        if not self._has_key:
            raise RequestRejected(f"Account {self._account} has no API key.")
        if self._quirks.is_spot:
            raise RequestRejected(
                f"{title} keeps no stop orders, so a position there could not be protected while "
                "this program is off; use it on paper or for its prices."
            )
        await self._ready()
        if await self._is_hedged():
            raise RequestRejected(
                f"Account {self._account} is in hedge mode at {title}; switch its USDT perpetuals "
                "to one-way mode."
            )
        self._private.start(listener)

    async def _is_hedged(self) -> bool:
        if self._rest.client.has["fetchPositionMode"]:
            symbol = self._markets["BTCUSDT"]["symbol"] if "BTCUSDT" in self._markets else None
            mode = await self._rest.read(
                Family.ACCOUNT, lambda client: client.fetch_position_mode(symbol)
            )
            return bool(mode.get("hedged"))
        answer = await self._rest.read(
            Family.ACCOUNT,
            lambda client: client.privateMixGetV2MixAccountAccount(
                {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT"}
            ),
        )
        mode = ccxt_parsers.text(answer.get("data") or {}, "posMode")
        if not mode:
            raise unanswered(self._quirks.title, "it does not say its mode", is_write=False)
        return mode != "one_way_mode"

    async def place_order(self, request: OrderRequest) -> str:
        market = await self._market(request.symbol)
        price = request.price if request.order_type is OrderType.LIMIT else None
        if self._quirks.is_spot and price is None:
            price = request.reference_price  # a market order is given by what it may cost there
        kind = "limit" if request.order_type is OrderType.LIMIT else "market"
        row = await self._rest.write(
            Family.ORDER_CREATE,
            lambda client: client.create_order(
                market["symbol"],
                kind,
                request.side.value,
                decimal_text(request.quantity / contract_size(market)),
                None if price is None else decimal_text(price),
                order_words(request, self._quirks),
            ),
            priority=Priority.EXIT if request.reduce_only else Priority.ORDER,
            owner=request.bot_id,
        )
        order_id = ccxt_parsers.text(row or {}, "id")
        if not order_id:
            raise unanswered(self._quirks.title, "the answer names no order", is_write=True)
        is_apart = request.order_type is OrderType.STOP_MARKET and self._quirks.conditional_apart
        return f"{CONDITIONAL}{order_id}" if is_apart else order_id

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        market = await self._market(symbol)
        order_id, words = exchange_order_id, {}
        family = Family.ORDER_CANCEL
        if order_id.startswith(CONDITIONAL):
            order_id, words = order_id.removeprefix(CONDITIONAL), WAYS[self.exchange].cancel
            family = Family.PROTECTION
        elif not order_id:
            words = {"clientOrderId": client_order_id}
        await self._rest.write(
            family, lambda client: client.cancel_order(order_id, market["symbol"], words)
        )

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        market = await self._market(symbol)
        questions: list[dict[str, Any]] = [{}]
        if self._quirks.conditional_apart:
            questions.append({"trigger": True})
        for words in questions:
            asking = {"clientOrderId": client_order_id, **words}
            try:
                row = await self._rest.read(
                    Family.ORDER_READ,
                    lambda client, asking=asking: client.fetch_order(  # type: ignore[misc]
                        "", market["symbol"], asking
                    ),
                )
            except RequestRejected as no:
                if no.code in self._quirks.missing:
                    continue
                raise
            order = self._order(row, market, is_conditional=bool(words))
            if order.client_order_id == client_order_id:
                return order
        return None

    async def fetch_open_orders(self) -> list[Order]:
        await self._ready()
        found = await self._orders_of({}, is_conditional=False)
        for words in WAYS[self.exchange].questions:
            found += await self._orders_of(words, is_conditional=True)
        return [order for order in found if not order.status.is_terminal]

    async def _orders_of(self, words: dict[str, Any], *, is_conditional: bool) -> list[Order]:
        rows = await self._rest.read(
            Family.OPEN_ORDERS,
            lambda client: client.fetch_open_orders(None, None, None, words),
        )
        return [
            self._order(row, market, is_conditional=is_conditional)
            for row in rows
            if (market := self._market_of_row(row)) is not None
        ]

    async def fetch_positions(self) -> list[Position]:
        return await self.fetch_positions_beside(await self.fetch_open_orders())

    async def fetch_positions_beside(self, orders: list[Order]) -> list[Position]:
        """With the stops that are among `orders`, the working ones. Raises as `fetch_positions`."""
        await self._ready()
        rows = await self._rest.read(Family.POSITIONS, lambda client: client.fetch_positions())
        found = [
            self._position(row, market)
            for row in rows
            if (market := self._market_of_row(row)) is not None
        ]
        held = [position for position in found if not position.is_flat]
        return ccxt_parsers.with_stops(held, orders)

    async def fetch_balance(self) -> Balance:
        await self._ready()
        params = {} if self._quirks.is_spot else {"type": "swap"}
        answer = await self._rest.read(Family.BALANCE, lambda client: client.fetch_balance(params))
        found = self._parsed(lambda: wallet(self.exchange, answer.get("info"), self._quirks.quote))
        return Balance(
            account=self._account,
            currency=self._quirks.quote,
            wallet_balance=found.balance,
            available_balance=found.available,
            equity=found.equity,
            updated_ms=self._clock.time_ms(),
        )

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        await self._ready()
        return await self._fills.between(start_ms, self._clock.time_ms())

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        market = await self._market(symbol)
        words = {"okx": {"mgnMode": "cross"}, "bingx": {"side": "BOTH"}}.get(self.exchange, {})
        await self._rest.write(
            Family.LEVERAGE,
            lambda client: client.set_leverage(int(leverage), market["symbol"], words),
        )

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        market, way = await self._market(symbol), WAYS[self.exchange]
        wanted = {OrderPurpose.STOP_LOSS: stop_loss, OrderPurpose.TAKE_PROFIT: take_profit}
        prices = {purpose: price for purpose, price in wanted.items() if price is not None}
        if not prices:
            return
        working = await self.fetch_open_orders()
        held = await self.fetch_positions_beside(working)
        position = next((found for found in held if found.symbol == symbol), None)
        if position is None:
            raise RequestRejected(f"There is no position in {symbol} to protect.")
        resting = [order for order in working if order.symbol == symbol and order.purpose in prices]
        if not way.allows_two:
            await self._take_back(resting)
        contracts = decimal_text(position.quantity / contract_size(market))
        for purpose, price in prices.items():
            side = position.side.opposite
            stop = Stop(market, purpose, side, contracts, decimal_text(price))
            await self._rest.write(
                Family.PROTECTION,
                lambda client, stop=stop: way.place(client, stop),  # type: ignore[misc]
            )
        if way.allows_two:
            await self._take_back(resting)

    async def _take_back(self, orders: list[Order]) -> None:
        """A stop that is gone already is what was wanted."""
        for order in orders:
            try:
                await self.cancel_order(order.symbol, "", order.exchange_order_id)
            except RequestRejected as no:
                if no.code not in self._quirks.missing:
                    raise

    async def stop(self) -> None:
        await self._public.stop()
        await self._private.stop()
        await self._rest.stop()

    # ---- markets

    async def _ready(self) -> None:
        if not self._markets:
            await self._load_markets()

    async def _load_markets(self) -> None:
        markets = await self._rest.read(Family.INSTRUMENTS, self._quirks.fetch_markets)
        self._rest.client.set_markets(markets)
        self._markets = {
            our_symbol(market): market
            for market in self._rest.client.markets.values()
            if ccxt_parsers.is_ours(market, self._quirks)
        }
        if not self._markets:
            raise unanswered(self._quirks.title, "it names nothing to trade", is_write=False)

    async def _wire_markets(self) -> dict[str, WireMarket]:
        """What the public stream calls our symbols, and what it counts them in."""
        await self._ready()
        is_older = self._quirks.exchange == "bithumb"  # ccxt keeps the name of an older interface
        return {
            symbol: WireMarket(
                f"{market['quote']}-{market['base']}" if is_older else str(market["id"]),
                contract_size(market),
            )
            for symbol, market in self._markets.items()
        }

    async def _market(self, symbol: str) -> Row:
        await self._ready()
        market = self._markets.get(symbol)
        if market is None:
            raise RequestRejected(f"{self._quirks.title} does not trade {symbol}.")
        return market

    def _market_of_row(self, row: Row) -> Row | None:
        """None for what is none of ours: another kind of contract, another currency."""
        market = self._rest.client.markets.get(row.get("symbol"))
        return market if market and ccxt_parsers.is_ours(market, self._quirks) else None

    def _order(self, row: Row, market: Row, *, is_conditional: bool) -> Order:
        return self._parsed(
            lambda: ccxt_parsers.order(row, self._account, market, is_conditional=is_conditional)
        )

    def _position(self, row: Row, market: Row) -> Position:
        return self._parsed(lambda: ccxt_parsers.position(row, self._account, market))

    def _parsed(self, parse: Callable[[], Parsed]) -> Parsed:
        """Rows that cannot be read make the whole answer unread, never a shorter list. Raises
        Unavailable."""
        try:
            return parse()
        except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as fault:
            raise unanswered(
                self._quirks.title, f"the answer cannot be read ({fault})", is_write=False
            ) from None


def _date_ms(asked: Asked) -> float:
    """The second in which the answer was given, taken at its middle. Raises Unavailable."""
    headers = {} if asked.reply is None else asked.reply.headers
    stated = {name.lower(): value for name, value in headers.items()}.get("date", "")
    try:
        return parsedate_to_datetime(stated).timestamp() * 1000 + 500
    except ValueError:
        raise Unavailable("The exchange does not say what time it is there.") from None
