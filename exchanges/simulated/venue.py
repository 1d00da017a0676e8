"""The exchange itself: time, matching and the accounts, over one market.

Not thread safe: one loop owns it. Every public call first brings the market up to the clock, so
answers are never older than the question. Results depend on market time only, not on how often
`advance` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.clock import Clock
from core.models.candles import Candle, Timeframe
from core.models.instruments import Instrument
from exchanges.simulated.account import Account
from exchanges.simulated.market import Market, OrderBook, Tick
from exchanges.simulated.store import VenueStore
from exchanges.simulated.values import VenueEvent, VenueTicker

FUNDING_INTERVAL_MS = 8 * 3_600_000


class Venue:
    """Public side and accounts.

    Attributes: `on_event` (called in order, after the change is committed; must not raise or call
    back into the venue), `clock`, `market`, `maker_fee_rate`, `taker_fee_rate`.
    """

    def __init__(
        self,
        *,
        market: Market,
        clock: Clock,
        initial_balance: Decimal = Decimal(25000),
        maker_fee_rate: Decimal = Decimal("0.0002"),
        taker_fee_rate: Decimal = Decimal("0.00055"),
        store: VenueStore | None = None,
    ) -> None:
        """`store` None: books live in memory only. Raises BooksMismatch when the store holds
        the books of another market."""
        self.on_event: list[Callable[[VenueEvent], None]] = []

    @property
    def exchange(self) -> str:
        """Name in tickers and instruments: the market's."""

    @property
    def instruments(self) -> dict[str, Instrument]: ...

    def time_ms(self) -> int:
        """Market time, ms UTC."""

    def advance(self) -> None:
        """Process everything that happened up to the clock's time, commit, send events."""

    def watch(self, symbol: str) -> None:
        """From now on every trade of `symbol` comes as `Traded`. Counted: pairs with unwatch."""

    def unwatch(self, symbol: str) -> None: ...

    def account(self, name: str) -> Account:
        """The account of that name (api key); made with the initial balance on first use."""

    def ticker(self, symbol: str) -> VenueTicker: ...

    def candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 200,
    ) -> list[Candle]:
        """As `Market.candles`, at the clock's time."""

    def order_book(self, symbol: str, depth: int = 50) -> OrderBook:
        """The market's book with the accounts' resting orders in it."""

    def recent_trades(self, symbol: str, limit: int = 60) -> list[Tick]:
        """Newest first."""

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal: ...

    def close(self) -> None:
        """Commit the market time reached exactly and close the store."""
