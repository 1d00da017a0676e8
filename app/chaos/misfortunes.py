"""What faults do beside the port and the disk: to streams, market, venue, clock and process."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from app.chaos.checker import Checker
from app.chaos.world import OUTAGES, World
from core.models.orders import OrderType, Side
from exchanges.simulated.faults import Fault, FaultKind
from exchanges.simulated.values import PlaceOrder, VenueReject

Edge = Callable[[], None] | None
_BY_HAND_SIZE = Decimal("0.1")  # of the balance
_BY_HAND_AWAY = Decimal("0.97")  # of the price
_CLOCK_TOLERANCE_S = 2.0
_CHANCES = (
    FaultKind.EXTERNAL_CLOSE,
    FaultKind.STOP_REMOVED,
    FaultKind.CANCELLED_BY_VENUE,
    FaultKind.HEDGE_MODE,
)


class Misfortunes:
    """`down_s`: how long an engine that has to die stays away."""

    def __init__(self, world: World, checker: Checker, note: Callable[[str], None]) -> None:
        self.down_s: float | None = None
        self._world = world
        self._checker = checker
        self._note = note
        self._waiting = [f for f in world.schedule.faults if f.kind in _CHANCES]

    def edges(self, fault: Fault) -> tuple[Edge, Edge]:
        """What a fault does at the start of its window and at its end, beside what the port and
        the disk do all along."""
        world, symbol, kind = self._world, fault.symbol, fault.kind
        if kind in OUTAGES:
            return lambda: self._lose(kind), self._restore
        if kind in (FaultKind.THIN_BOOK, FaultKind.EMPTY_BOOK):
            books = world.market.thin if kind is FaultKind.THIN_BOOK else world.market.empty
            return self._counted(fault, lambda: books.add(symbol)), lambda: books.discard(symbol)
        if kind is FaultKind.CLOCK_DRIFT:
            begin = self._counted(fault, lambda: world.clock.drift(fault.value))
            return begin, lambda: world.clock.drift(0.0)
        if kind is FaultKind.HEDGE_MODE:
            return None, self._switch_back
        moment = self._moments().get(kind)
        return (self._counted(fault, lambda: moment(fault)) if moment else None), None

    def _moments(self) -> dict[FaultKind, Callable[[Fault], None]]:
        world = self._world
        return {
            FaultKind.PRICE_JUMP: lambda f: world.market.jump(
                f.symbol, world.clock.time_ms(), f.value
            ),
            FaultKind.MARKET_CRASH: self._crash_market,
            FaultKind.EXTERNAL_ORDER: self._trade_by_hand,
            FaultKind.EXTERNAL_POSITION: self._trade_by_hand,
            FaultKind.DELISTING: self._delist,
            FaultKind.CLOCK_STEP: self._step_clock,
            FaultKind.SLEEP: self._sleep,
            FaultKind.CRASH: self._crash_soon,
        }

    def _counted(self, fault: Fault, happen: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            self._world.plan.struck[fault.kind.value] += 1
            happen()

        return run

    def _lose(self, kind: FaultKind) -> None:
        self._world.plan.struck[kind.value] += 1
        if self._world.is_up:
            for stream in OUTAGES[kind]:
                self._world.exchange.lose_stream(stream, kind.value)

    def _restore(self) -> None:
        """Whatever no other outage still keeps down."""
        lost = {
            stream
            for kind, streams in OUTAGES.items()
            if self._world.plan.active(kind)
            for stream in streams
        }
        if self._world.is_up:
            for stream in sorted({s for streams in OUTAGES.values() for s in streams} - lost):
                if self._world.exchange.is_lost(stream):
                    self._world.exchange.restore_stream(stream)

    def _trade_by_hand(self, fault: Fault) -> None:
        self._checker.mark_foreign(fault.symbol)
        account, market = self._world.account, self._world.market
        instrument = market.instruments[fault.symbol]
        last_price = market.price(fault.symbol, self._world.clock.time_ms())
        worth = self._world.schedule.balance * _BY_HAND_SIZE
        quantity = instrument.round_quantity_down(worth / last_price)
        is_order = fault.kind is FaultKind.EXTERNAL_ORDER
        price = instrument.round_price(last_price * _BY_HAND_AWAY) if is_order else None
        order = PlaceOrder(
            symbol=fault.symbol,
            side=Side.BUY,
            order_type=OrderType.LIMIT if is_order else OrderType.MARKET,
            quantity=max(quantity, instrument.min_quantity),
            price=price,
        )
        self._at_venue(partial(account.place_order, order))

    def _crash_market(self, fault: Fault) -> None:
        for symbol in self._world.schedule.symbols:
            self._world.market.jump(symbol, self._world.clock.time_ms(), fault.value)

    def _switch_to_hedge(self, _: Fault) -> bool:
        """False while the venue refuses: it wants the account flat, and no order working."""
        account = self._world.account
        if account.positions() or account.open_orders():
            return False
        self._world.standing.is_hedge_mode = True
        return True

    def _switch_back(self) -> None:
        self._world.standing.is_hedge_mode = False

    def _close_by_hand(self, fault: Fault) -> bool:
        """Somebody closes a position at the exchange; False when there is none."""
        for position in self._world.account.positions():
            if fault.symbol in ("", position.symbol):
                self._checker.mark_foreign(position.symbol)
                order = PlaceOrder(
                    symbol=position.symbol,
                    side=position.side.opposite,
                    order_type=OrderType.MARKET,
                    quantity=position.quantity,
                    reduce_only=True,
                )
                return self._at_venue(partial(self._world.account.place_order, order))
        return False

    def _remove_stop(self, fault: Fault) -> bool:
        """A stop vanishes; False when there is none."""
        account = self._world.account
        for position in account.positions():
            symbol = position.symbol
            if fault.symbol in ("", symbol) and position.stop_loss is not None:
                return self._at_venue(partial(account.set_protection, symbol, stop_loss=Decimal(0)))
        return False

    def _cancel_by_venue(self, fault: Fault) -> bool:
        """The venue ends a working order; False when there is none."""
        account = self._world.account
        for order in account.open_orders(fault.symbol or None):
            if not order.is_protection:
                return self._at_venue(
                    partial(account.cancel_order, order.symbol, order_id=order.order_id)
                )
        return False

    def _delist(self, fault: Fault) -> None:
        """Orders are cancelled, positions closed by the venue, new orders refused."""
        self._checker.mark_foreign(fault.symbol)
        while self._cancel_by_venue(fault):
            pass
        self._close_by_hand(fault)
        self._world.standing.delisted.add(fault.symbol)

    def _crash_soon(self, fault: Fault) -> None:
        self.down_s = fault.value
        self._world.crash_wanted.set()

    def _sleep(self, fault: Fault) -> None:
        self._world.clock.sleep(fault.value)
        self._checker.mark_jump()

    def _step_clock(self, fault: Fault) -> None:
        self._world.clock.step(fault.value)
        if abs(fault.value) > _CLOCK_TOLERANCE_S:
            self._checker.mark_jump()

    def _at_venue(self, happen: Callable[[], Any]) -> bool:
        """False when the venue refuses."""
        try:
            happen()
        except VenueReject as refusal:
            self._note(f"venue: {refusal.reason}")
            return False
        return True

    def seize_chances(self) -> None:
        """What can only happen when there is something for it to happen to."""
        now_s = self._world.clock.now_s()
        chances: dict[FaultKind, Callable[[Fault], bool]] = {
            FaultKind.EXTERNAL_CLOSE: self._close_by_hand,
            FaultKind.STOP_REMOVED: self._remove_stop,
            FaultKind.CANCELLED_BY_VENUE: self._cancel_by_venue,
            FaultKind.HEDGE_MODE: self._switch_to_hedge,
        }
        for fault in self._waiting[:]:
            if fault.start_s <= now_s < fault.end_s and chances[fault.kind](fault):
                self._waiting.remove(fault)
                self._world.plan.struck[fault.kind.value] += 1
