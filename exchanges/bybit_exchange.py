"""Bybit v5, linear USDT perpetuals, behind the port: REST by pybit, private stream by pybit,
public stream by picows. Another host (demo exchange, testnet) is another URL, nothing else.

This file holds the order of calls; words are translated in `bybit_parsers.py`, errors in
`bybit_errors.py`, sockets live in `bybit_public_stream.py` and `bybit_private_stream.py`.
"""

from __future__ import annotations

import random
from decimal import Decimal

from core.clock import Clock
from core.exchange_port import ExchangeListener
from core.models.candles import Candle, Ticker, Timeframe
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderRequest
from core.models.positions import Balance, Position
from exchanges.credentials import Credentials
from exchanges.request_limiter import RequestLimiter

REST_URL = "https://api.bybit.com"
WS_PUBLIC_URL = "wss://stream.bybit.com/v5/public/linear"
WS_PRIVATE_URL = "wss://stream.bybit.com/v5/private"


class BybitExchange:
    """Both ports of one Bybit account; without credentials only the market-data half works.

    `clock` is market time of that host, `limiter` every request waits for, `rng` jitters
    reconnects. Request families: "market", "order", "account".
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
        ws_public_url: str = WS_PUBLIC_URL,
        ws_private_url: str = WS_PRIVATE_URL,
    ) -> None: ...

    @property
    def exchange(self) -> str:
        return "bybit"

    @property
    def account(self) -> str: ...

    async def start_market_data(self, listener: ExchangeListener) -> None: ...

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None: ...

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None: ...

    def subscribe_tickers(self, symbols: list[str]) -> None: ...

    async def fetch_instruments(self) -> list[Instrument]: ...

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]: ...

    async def fetch_tickers(self) -> list[Ticker]: ...

    async def fetch_clock_offset_ms(self) -> int: ...

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Also raises Unavailable or RateLimited when the account cannot be checked now."""

    async def place_order(self, request: OrderRequest) -> str: ...

    async def cancel_order(
        self, symbol: str, client_order_id: str, exchange_order_id: str
    ) -> None: ...

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None: ...

    async def fetch_open_orders(self) -> list[Order]: ...

    async def fetch_positions(self) -> list[Position]: ...

    async def fetch_balance(self) -> Balance: ...

    async def fetch_fills(self, start_ms: int) -> list[Fill]: ...

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None: ...

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None: ...

    async def stop(self) -> None: ...
