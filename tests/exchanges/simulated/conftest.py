"""A market the test moves by hand, and an exchange over it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.models.instruments import Instrument
from core.models.orders import OrderType, Side
from exchanges.simulated.account import Account
from exchanges.simulated.live_market import LiveMarket
from exchanges.simulated.store import VenueStore
from exchanges.simulated.values import PlaceOrder, VenueEvent, VenueOrder
from exchanges.simulated.venue import Venue

START_MS = 1_700_000_000_000 // 28_800_000 * 28_800_000 + 1_000  # one second after a funding time
BTC = "BTCUSDT"
ETH = "ETHUSDT"


def instrument(symbol: str) -> Instrument:
    return Instrument(
        exchange="simulated",
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal("0.1"),
        quantity_step=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        min_notional=Decimal(5),
        max_leverage=Decimal(50),
    )


class HandMarket(LiveMarket):
    """Two symbols at 1000, with a depth of ten coins per level, levels one tick apart.

    The venue runs here over the same kind of market that paper trading uses.
    """

    def __init__(self, first_price: Decimal | None = Decimal(1000)) -> None:
        instruments = {symbol: instrument(symbol) for symbol in (BTC, ETH)}
        super().__init__("by hand", START_MS, instruments, level_notional=Decimal(10_000))
        if first_price is not None:
            for symbol in instruments:
                self.push(symbol, first_price, START_MS)
        self.rate = Decimal("0.0001")

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        return self.rate


class Bench:
    """A venue and everything needed to drive it in a sentence."""

    def __init__(self, store_path: Path | None = None, market: HandMarket | None = None) -> None:
        self.market = market or HandMarket()
        self.clock = ManualClock(self.market.start_ms + 10)
        self.store = VenueStore(store_path)
        if self.store.resume_ms is not None:
            self.clock = ManualClock(self.store.resume_ms)
        self.venue = Venue(
            market=self.market,
            clock=self.clock,
            store=self.store,
            initial_balance=Decimal(10_000),
            maker_fee_rate=Decimal("0.0002"),
            taker_fee_rate=Decimal("0.0005"),
        )
        self.events: list[VenueEvent] = []
        self.venue.on_event.append(self.events.append)
        self.account = self.venue.account("key")

    def trade(
        self, price: str, *, quantity: str | None = None, symbol: str = BTC, after_ms: int = 1000
    ) -> None:
        """The market trades at `price` a moment later, and the venue sees it."""
        self.clock.advance_ms(after_ms)
        self.market.push(
            symbol,
            Decimal(price),
            self.clock.time_ms(),
            quantity=None if quantity is None else Decimal(quantity),
        )
        self.venue.advance()

    def market_order(
        self, side: Side, quantity: str, *, account: Account | None = None, **more: object
    ) -> VenueOrder:
        return self._place(account, side, quantity, None, more)

    def limit_order(
        self,
        side: Side,
        quantity: str,
        price: str,
        *,
        account: Account | None = None,
        **more: object,
    ) -> VenueOrder:
        return self._place(account, side, quantity, Decimal(price), more)

    def _place(
        self,
        account: Account | None,
        side: Side,
        quantity: str,
        price: Decimal | None,
        more: dict[str, object],
    ) -> VenueOrder:
        fields = {"symbol": BTC} | {
            name: Decimal(value) if name in _PRICES else value for name, value in more.items()
        }
        request = PlaceOrder(
            side=side,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=price,
            **fields,
        )
        return (account or self.account).place_order(request)

    def now(self, order: VenueOrder) -> VenueOrder:
        """The order as the account would be told now."""
        found = self.venue.account(order.account).order(order_id=order.order_id)
        assert found is not None
        return found

    def position(self, symbol: str = BTC) -> Decimal:
        (position,) = self.account.positions(symbol)
        return position.signed_quantity


_PRICES = ("trigger_price", "stop_loss", "take_profit")


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="session")
def open_bench() -> Callable[..., Bench]:
    """For tests that need several, or one that restarts."""
    return Bench
