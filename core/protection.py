"""Rule 5, proved: a stop rests at the exchange for every position, and somebody watches that.

Several times a second each position is compared with what rests against it: right side, large
enough, the take profit beside it. What is missing is set again; what cannot be set within three
seconds is closed, and while a close does not get through its stop is tried on. A new stop takes
the old one's place in one request of the exchange, so that there is no moment without either; if
the exchange refuses the new one, the old one stands.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from core.events import Severity
from core.exchange_port import ExchangeError, RequestRejected
from core.models.orders import Order, OrderPurpose, OrderRequest, Side
from core.models.positions import Position
from core.oms.intent_journal import KeptStop
from core.order_parts import OrderParts
from core.snapshots import ProtectionSnapshot

LOOK_INTERVAL_S = 0.5
GRACE_S = 1.0  # the stop's own message may be on its way
NAKED_LIMIT_S = 3.0
STOP_RETRY_S = 10.0  # beside a close that does not get through
TAKE_PROFIT_RETRY_S = 30.0
LEFT_OVER_S = 3.0  # orders that outlive their position are gone within 5 s of it


class Watched(msgspec.Struct):
    """One position's record; real seconds. `naked_since_s` is None while it is protected."""

    seen_s: float
    protected_s: float = 0.0
    unprotected_s: float = 0.0
    longest_s: float = 0.0
    naked_since_s: float | None = None
    placed_s: float | None = None  # the exchange accepted a stop that has not shown yet
    tried_s: float = 0.0  # when the newest stop was sent
    take_profit_tried_s: float | None = None
    is_closing: bool = False
    is_told: bool = False  # of the present want, once and not every time that it is tried
    is_foreign: bool = False
    times_replaced: int = 0


class ProtectionGuard:
    """For one account. `close(symbol, reason)` ends a position; it may be called again and again.
    `refresh()` reads the exchange's truth, or tells that it could not."""

    def __init__(
        self,
        parts: OrderParts,
        *,
        close: Callable[[str, str], object],
        refresh: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._parts = parts
        self._spawn = parts.supervisor.spawn
        self._account = parts.account
        self._port = parts.port
        self._clock = parts.clock
        self._oms = parts.oms
        self._state = parts.state
        self._close = close
        self._refresh = refresh
        self._watched: dict[str, Watched] = {}
        self._setting: set[str] = set()
        self._times_set: Counter[str] = Counter()  # by the guard itself, and answered
        self._unsaved: dict[str, KeptStop] = {}  # by symbol: what a full disk has kept in memory
        self._is_told_unsaved = False
        self._flat_since_s: dict[str, float] = {}
        parts.bus.subscribe(Order, self._on_order, part=f"{parts.account}: protection")

    async def run(self) -> None:
        """For ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    def look(self) -> None:
        """Compare every position with what rests against it, and act on what is missing."""
        held = {
            p.symbol: p for p in self._state.positions(self._account) if not self._parts.is_dust(p)
        }
        for symbol in self._watched.keys() - held.keys():
            del self._watched[symbol]
        for position in held.values():
            self._act(position, self._count(position))
        self._clear_left_over(held)
        self._save()

    def observe(self, symbol: str) -> None:
        """Something about the symbol has changed: count up to this moment."""
        position = self._state.position(self._account, symbol)
        if position is not None and not position.is_flat and not self._parts.is_dust(position):
            self._count(position)

    async def move(
        self, symbol: str, stop_loss: Decimal, take_profit: Decimal | None = None
    ) -> None:
        """Put a new stop (and take profit; None leaves it) in the place of the old one.

        Raises RequestRejected (no position, wrong side, or the exchange refused: the old stop
        stands), OutcomeUnknown (one of the two stands; the next look tells which)."""
        position = self._state.position(self._account, symbol)
        if position is None or position.is_flat:
            raise RequestRejected(f"there is no position in {symbol}")
        price = position.mark_price or position.entry_price
        is_behind = stop_loss < price if position.side is Side.BUY else stop_loss > price
        if not is_behind:
            raise RequestRejected(
                f"a stop at {stop_loss} is on the wrong side of {symbol}'s price {price}"
            )
        times_set = self._times_set[symbol]
        await self._port.set_protection(symbol, stop_loss, take_profit)
        self._keep(symbol, stop_loss, take_profit)
        if self._times_set[symbol] != times_set:  # the guard has put the old one in its place
            await self._port.set_protection(symbol, stop_loss, take_profit)

    async def adopt(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        """Watch a position that no entry of ours explains: by the stop given, else by the one
        that rests. Raises as `move`, and RequestRejected where there is neither."""
        position = self._state.position(self._account, symbol)
        if position is None or position.is_flat:
            return
        resting = self._state.protection(self._account, symbol)
        if stop_loss is not None:
            await self.move(symbol, stop_loss, take_profit)
        elif resting.stop_price is None:
            raise RequestRejected(f"{symbol} has no stop at the exchange: give one with it")
        else:
            self._keep(symbol, resting.stop_price, resting.take_profit_price)

    def snapshot(self) -> list[ProtectionSnapshot]:
        """One for each position that is not flat."""
        return [self._snapshot(position, self._count(position)) for position in self._positions()]

    def _keep(self, symbol: str, stop_loss: Decimal, take_profit: Decimal | None) -> None:
        self._unsaved[symbol] = KeptStop(self._clock.time_ms(), stop_loss, take_profit)
        self._save()

    def _save(self) -> None:
        """What the exchange has is what is meant, also while the disk is full: once a look."""
        for symbol, kept in list(self._unsaved.items()):
            try:
                self._oms.journal.keep_stop(self._account, symbol, kept)
            except sqlite3.Error as fault:
                if not self._is_told_unsaved:
                    self._is_told_unsaved = True
                    self._parts.tell(f"{symbol}: its new stop could not be written yet ({fault})")
                return
            del self._unsaved[symbol]
        self._is_told_unsaved = False

    # --- counting ---------------------------------------------------------------------------

    def _positions(self) -> list[Position]:
        held = self._state.positions(self._account)
        return [position for position in held if not self._parts.is_dust(position)]

    def _count(self, position: Position) -> Watched:
        now_s = self._clock.monotonic_s()
        watched = self._watched.setdefault(position.symbol, Watched(now_s))
        passed_s, watched.seen_s = now_s - watched.seen_s, now_s
        if watched.naked_since_s is None:
            watched.protected_s += passed_s
        else:
            watched.unprotected_s += passed_s
            watched.longest_s = max(watched.longest_s, now_s - watched.naked_since_s)
        if self._state.is_protected(self._account, position.symbol):
            watched.naked_since_s = watched.placed_s = None
            watched.is_closing = watched.is_told = watched.is_foreign = False
        elif watched.naked_since_s is None:
            watched.naked_since_s = now_s
        return watched

    def _on_order(self, order: Order) -> None:
        if order.account == self._account and order.reduce_only:
            self.observe(order.symbol)

    def _snapshot(self, position: Position, watched: Watched) -> ProtectionSnapshot:
        resting = self._state.protection(self._account, position.symbol)
        is_protected = watched.naked_since_s is None
        if is_protected:
            text = f"Stop at {resting.stop_price} for the whole position."
        elif watched.is_closing:
            text = "No stop could be set: it is being closed."
        elif resting.stop_price is not None:
            text = f"The stop covers {resting.stop_quantity} of {position.quantity}."
        else:
            text = "No stop rests at the exchange."
        return ProtectionSnapshot(
            account=self._account,
            symbol=position.symbol,
            bot_id=self._parts.owner_of(self._account, position.symbol),
            is_protected=is_protected,
            text=text,
            protected_s=watched.protected_s,
            unprotected_s=watched.unprotected_s,
            unprotected_longest_s=watched.longest_s,
            stop_price=resting.stop_price,
            stop_quantity=resting.stop_quantity,
            take_profit_price=resting.take_profit_price,
            times_replaced=watched.times_replaced,
            is_foreign=watched.is_foreign,
        )

    # --- acting -----------------------------------------------------------------------------

    def _act(self, position: Position, watched: Watched) -> None:
        symbol, now_s = position.symbol, self._clock.monotonic_s()
        if watched.naked_since_s is None:
            self._restore_take_profit(position, watched, now_s)
            return
        if now_s - watched.naked_since_s < GRACE_S:
            return
        meant = self._meant_for(position)
        watched.is_foreign = meant is None
        if meant is None:
            self._tell_foreign(position, watched)
            return
        proof_due_s = (watched.placed_s or watched.naked_since_s) + NAKED_LIMIT_S
        if watched.is_closing or now_s >= proof_due_s:
            self._give_up(position, watched, "it did not show in time")
            is_due = now_s - watched.tried_s >= STOP_RETRY_S
        else:
            is_due = watched.placed_s is None
        if is_due and symbol not in self._setting:
            watched.tried_s = now_s
            self._setting.add(symbol)
            self._spawn(f"{symbol}: protection", self._set_again(position, watched, meant))

    async def _set_again(self, position: Position, watched: Watched, meant: KeptStop) -> None:
        symbol = position.symbol
        try:
            await self._port.set_protection(symbol, meant.stop_loss, meant.take_profit)
            self._times_set[symbol] += 1
            newest = self._meant_for(position)
            if newest is not None and newest.stop_loss != meant.stop_loss:  # moved meanwhile
                await self._port.set_protection(symbol, newest.stop_loss, newest.take_profit)
            watched.placed_s = self._clock.monotonic_s()
            watched.times_replaced += 1
            self._parts.tell(f"{symbol} had no stop at the exchange; it was set again")
            await self._refresh()
        except RequestRejected as fault:
            self._give_up(position, watched, fault.text)
        except ExchangeError as fault:
            if not watched.is_told:
                watched.is_told = True
                self._parts.tell(f"{symbol} is not protected yet: {fault.text}")
        finally:
            self._setting.discard(symbol)

    def _give_up(self, position: Position, watched: Watched, why: str) -> None:
        if not watched.is_closing:
            watched.is_closing = True
            self._parts.tell(f"{position.symbol} cannot be protected ({why}); closing it")
        self._close(position.symbol, "No stop could be set at the exchange.")

    def _restore_take_profit(self, position: Position, watched: Watched, now_s: float) -> None:
        """Its absence costs a profit, not the account: tried now and then, never a reason to
        close."""
        if self._state.protection(self._account, position.symbol).take_profit_price is not None:
            watched.take_profit_tried_s = now_s
            return
        meant = self._meant_for(position)
        tried_s = watched.take_profit_tried_s
        if meant is None or meant.take_profit is None:
            return
        if tried_s is None:
            watched.take_profit_tried_s = now_s - TAKE_PROFIT_RETRY_S + GRACE_S
        elif now_s - tried_s >= TAKE_PROFIT_RETRY_S and position.symbol not in self._setting:
            watched.take_profit_tried_s = now_s
            self._setting.add(position.symbol)
            part = f"{position.symbol}: take profit"
            self._spawn(part, self._set_take_profit(position.symbol, meant.take_profit))

    async def _set_take_profit(self, symbol: str, price: Decimal) -> None:
        try:
            await self._port.set_protection(symbol, None, price)
        except ExchangeError as fault:
            self._parts.tell(f"{symbol} has no take profit: {fault.text}", Severity.WARNING)
        finally:
            self._setting.discard(symbol)

    def _clear_left_over(self, held: Mapping[str, Position]) -> None:
        """Stops and take profits that outlive their position would work against the next one."""
        now_s = self._clock.monotonic_s()
        working = self._oms.working_orders(self._account)
        entering = {o.symbol for o in working if o.purpose is OrderPurpose.ENTRY}
        left_over = [
            order
            for order in working
            if order.purpose in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
            and order.symbol not in held
            and order.symbol not in entering
            # a lost message of a position must not cost it its stop
            and self._oms.is_position_clear(self._account, order.symbol)
        ]
        symbols = {order.symbol for order in left_over}
        for symbol in self._flat_since_s.keys() - symbols:
            del self._flat_since_s[symbol]
        for symbol in symbols:
            if now_s - self._flat_since_s.setdefault(symbol, now_s) < LEFT_OVER_S:
                continue
            self._flat_since_s[symbol] = now_s
            for order in left_over:
                if order.symbol == symbol:
                    self._spawn(f"{symbol}: left-over stop", self._cancel(order))

    async def _cancel(self, order: Order) -> None:
        try:
            await self._oms.cancel(
                self._account, order.symbol, order.client_order_id, order.exchange_order_id
            )
        except RequestRejected:
            await self._refresh()  # it is gone already, and we have not heard
        except ExchangeError as fault:
            self._parts.tell(f"{order.symbol}: {fault.text}", Severity.WARNING)

    # --- what the position was meant to have ------------------------------------------------

    def _meant_for(self, position: Position) -> KeptStop | None:
        """The newest word on it: the trader's or a trailing stop's, else its entry's; None when
        nothing of ours explains the position."""
        kept = self._unsaved.get(position.symbol)
        kept = kept or self._oms.journal.kept_stop(self._account, position.symbol)
        # one of the other side has only made it smaller
        entry = self._oms.entry_request(self._account, position.symbol, position.side)
        if kept is not None and (entry is None or kept.set_ms >= entry.created_ms):
            return kept
        if entry is None or entry.stop_loss is None or self._has_ended(entry):
            return None
        return KeptStop(entry.created_ms, entry.stop_loss, entry.take_profit)

    def _has_ended(self, entry: OrderRequest) -> bool:
        """True when the fills since this entry have been flat in between."""
        own = self._oms.journal.fills_of(entry.client_order_id)
        net = Decimal(0)
        for fill in self._oms.journal.fills_from(own[0]) if own else []:
            net += fill.quantity * fill.side.sign
            if net == 0:
                return True
        return False

    def _tell_foreign(self, position: Position, watched: Watched) -> None:
        if not watched.is_told:
            watched.is_told = True
            self._parts.tell(
                f"{position.symbol} has a position without a stop that no order of ours explains: "
                "accept it with a stop, or close it"
            )
