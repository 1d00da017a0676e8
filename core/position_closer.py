"""Sees a close through: an exit is asked for again until the position is flat (faults A15, A17).

One exit at a time, each a new intent on the one road. What makes the next try different: a market
order that found no counterpart simply goes again; one that was refused because resting
reduce-only orders hold the whole size goes after these were cancelled, the take profit first, the
stop last.

A close is kept on disk until it has ended flat: what was asked before a crash goes on after it.
What looks flat while the exchange cannot be seen proves nothing: a close with its entries stands
until the books have been read again. What had been open when it was asked is closed then, whoever
opened it; what a stranger has opened since is not.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable

import msgspec

from core.exchange_port import ExchangeError
from core.models.candles import Ticker
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType
from core.models.positions import Position
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.oms.intent_journal import KeptClose
from core.oms.order_management_system import NEVER_ARRIVED
from core.oms.order_state import needs_answer
from core.order_parts import OrderParts
from core.trade_log import OpenTrade
from core.valuation import price_of

SETTLE_S = 1.0  # the position's own message may come after the exit's end
# A signed request is admitted for 5 s: an exit that is unknown longer cannot arrive any more, and
# both are reduce-only, so that the two together cannot turn the position.
UNKNOWN_S = 6.0
LONGEST_WAIT_S = 30.0
ALARM_TRIES = 3
STOP_MAKES_WAY = 2  # refusals: the take profit goes at the first, the stop when that was no help
STOP_AGAIN_AFTER = 8  # refusals: where the stop was not the cause, it may stand most of the time
COMING_S = 60.0  # an entry that is not heard of by then is another question


class _Wish(msgspec.Struct):
    reason: str
    since_s: float
    entries_until_s: float = 0.0  # what an entry opens by then is closed too
    is_unseen: bool = False  # nothing is known to be open, and the exchange cannot be seen
    tries: int = 0
    refusals: int = 0  # exits that the exchange would not take
    is_making_way: bool = False  # what may hold the size is being cancelled
    client_order_id: str = ""
    asked_s: float = 0.0
    due_s: float = 0.0
    ended_s: float | None = None  # when its exit was seen to have ended


class PositionCloser:
    """For one account. `look` has to be called about once a second."""

    def __init__(
        self,
        parts: OrderParts,
        *,
        ticker_of: Callable[[str], Ticker | None],
        trade_of: Callable[[str], OpenTrade | None],
        is_blind: Callable[[], bool],
    ) -> None:
        """`trade_of(symbol)`: what the booked fills make of the open position. `is_blind()`: true
        while the exchange's word may be old; no entry of ours leaves then."""
        self._parts = parts
        self._account = parts.account
        self._clock = parts.clock
        self._oms = parts.oms
        self._state = parts.state
        self._ticker_of = ticker_of
        self._trade_of = trade_of
        self._is_blind = is_blind
        self._wishes: dict[str, _Wish] = {}
        self._ended: set[str] = set()  # flat, but still on disk as wishes
        self._sequence = itertools.count(1)

    def close(
        self, symbol: str, reason: str, *, with_entries: bool = False, at_once: bool = False
    ) -> bool:
        """End the position, `with_entries` also what an entry on its way may still open; False
        when there is nothing that could be traded. `at_once`: the trader has asked now, so an
        earlier close of it that waits for its next try waits no longer."""
        now_s = self._clock.monotonic_s()
        wish = _Wish(reason, now_s, now_s + COMING_S if with_entries else 0.0)
        if not self._is_left(symbol, wish):
            return False
        known = self._wishes.get(symbol)
        if known is None:
            self._wishes[symbol] = wish
            self._keep(KeptClose(symbol, self._clock.time_ms(), reason))
            self._pursue(symbol, wish)
            return True
        known.entries_until_s = max(known.entries_until_s, wish.entries_until_s)
        if at_once:
            known.tries, known.due_s = 0, now_s
            self._pursue(symbol, known)
        return True

    def take_over(self, refused: Order) -> None:
        """An exit that the exchange refused whoever asked for it: it is seen through from here,
        beginning with what may stand in its way."""
        symbol = refused.symbol
        if symbol in self._wishes or self._open_position(symbol) is None:
            return
        wish = _Wish(
            refused.reason,
            self._clock.monotonic_s(),
            tries=1,
            client_order_id=refused.client_order_id,
        )
        self._wishes[symbol] = wish
        self._keep(KeptClose(symbol, self._clock.time_ms(), refused.reason))
        self._pursue(symbol, wish)

    def look(self) -> None:
        """Go on with every close that has not ended flat."""
        for symbol, wish in list(self._wishes.items()):
            if self._is_left(symbol, wish):
                self._pursue(symbol, wish)
            else:
                self._end(symbol)
        for symbol in self._ended - self._wishes.keys():
            self._forget(symbol)

    def go_on(self) -> None:
        """The books have been read: take up what could not be seen, and what a former run was
        asked to close."""
        now_s = self._clock.monotonic_s()
        for symbol, wish in list(self._wishes.items()):
            if wish.is_unseen:
                wish.is_unseen, wish.entries_until_s = False, now_s + COMING_S
                # by the clock as it is now: it may have been wrong then
                ago_ms = (now_s - wish.since_s) * 1000 * self._clock.rate
                asked_ms = self._clock.time_ms() - int(ago_ms)
                if self._entry_of(symbol) is None and self._is_later(symbol, asked_ms):
                    self._end(symbol)
        for kept in self._oms.journal.kept_closes(self._account):
            if kept.symbol in self._wishes or kept.symbol in self._ended:
                continue
            ago_s = (self._clock.time_ms() - kept.asked_ms) / 1000 / self._clock.rate
            wish = _Wish(kept.reason, now_s - ago_s, now_s + COMING_S)
            if self._is_left(kept.symbol, wish) and not self._is_later(kept.symbol, kept.asked_ms):
                self._wishes[kept.symbol] = wish
            else:
                self._ended.add(kept.symbol)
        self.look()

    def _end(self, symbol: str) -> None:
        del self._wishes[symbol]
        self._ended.add(symbol)

    def _is_later(self, symbol: str, asked_ms: int) -> bool:
        """True when what is open is not what was to be closed: our entry was made after that was
        asked, or a stranger's first fill. What no fill explains may be old."""
        trade, entry = self._trade_of(symbol), self._entry_of(symbol)
        if trade is None:
            return False
        return (trade.opened_ms if entry is None else entry.created_ms) > asked_ms

    def _entry_of(self, symbol: str) -> Order | None:
        """The order of ours that opened what is open."""
        trade = self._trade_of(symbol)
        return None if trade is None else self._oms.order(trade.entry_order_id)

    def _keep(self, close: KeptClose) -> None:
        self._ended.discard(close.symbol)
        try:
            self._oms.journal.keep_close(self._account, close)
        except sqlite3.Error as fault:  # it goes on all the same, but not over a restart
            self._parts.tell(f"{close.symbol}: that it is closed could not be written ({fault})")

    def _forget(self, symbol: str) -> None:
        try:
            self._oms.journal.forget_close(self._account, symbol)
        except sqlite3.Error:  # tried again at the next look; told by the journal's other users
            return
        self._ended.discard(symbol)

    def _is_left(self, symbol: str, wish: _Wish) -> bool:
        """Whether something is open, may come, or cannot be seen."""
        if self._open_position(symbol) is not None:
            return True
        if wish.entries_until_s and self._is_blind():
            wish.is_unseen = True
        return wish.is_unseen or (
            self._clock.monotonic_s() < wish.entries_until_s and self._is_coming(symbol)
        )

    def _is_coming(self, symbol: str) -> bool:
        """An entry whose fate is open, or a message that is missing."""
        return not self._oms.is_position_clear(self._account, symbol) or any(
            order.symbol == symbol
            and order.purpose is OrderPurpose.ENTRY
            and (needs_answer(order) or order.order_type is OrderType.MARKET)
            for order in self._oms.working_orders(self._account)
        )

    def _open_position(self, symbol: str) -> Position | None:
        """None also for less than a lot: that cannot be traded away."""
        position = self._state.position(self._account, symbol)
        if position is None or position.is_flat or self._parts.is_dust(position):
            return None
        return position

    def _pursue(self, symbol: str, wish: _Wish) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < wish.due_s or wish.is_making_way or self._is_under_way(symbol):
            return
        if self._open_position(symbol) is None:
            return
        if wish.is_unseen and self._entry_of(symbol) is None:
            return  # a stranger's, maybe of just now: the books will tell
        last = self._oms.order(wish.client_order_id) if wish.client_order_id else None
        if last is not None and last.status.is_terminal:
            wish.ended_s = now_s if wish.ended_s is None else wish.ended_s
            if now_s - wish.ended_s < SETTLE_S:
                return
        if last is not None and last.filled_quantity > 0:
            wish.tries = wish.refusals = 0  # it is getting smaller
        wish.tries += 1
        wish.asked_s, wish.ended_s = now_s, None
        wish.due_s = now_s + min(2.0 ** (wish.tries - 1), LONGEST_WAIT_S)
        if wish.tries >= ALARM_TRIES:
            why = last.reason if last is not None else ""
            self._parts.tell(f"{symbol} is not closed after {wish.tries - 1} tries: {why}")
        if (
            last is not None
            and last.status is OrderStatus.REJECTED
            and last.reject_code != NEVER_ARRIVED
        ):
            wish.refusals += 1
            wish.is_making_way = True
            self._parts.supervisor.spawn(f"{symbol}: closing", self._make_way(symbol, wish))
        else:
            self._ask(symbol, wish)

    def _is_under_way(self, symbol: str) -> bool:
        """An exit, whoever asked for it, that may still be filled."""
        for order in self._oms.working_orders(self._account):
            if order.symbol != symbol or order.purpose is not OrderPurpose.EXIT:
                continue
            age_s = (self._clock.time_ms() - order.created_ms) / 1000 / self._clock.rate
            # made in the future: by a clock that has been set right since
            if not needs_answer(order) or abs(age_s) <= UNKNOWN_S:
                return True
        return False

    async def _make_way(self, symbol: str, wish: _Wish) -> None:
        """Cancel what may hold the size, and ask again at once."""
        is_stop_in_the_way = wish.refusals % STOP_AGAIN_AFTER == STOP_MAKES_WAY
        protection = self._state.protection(self._account, symbol)
        try:
            for order in self._holding(symbol, with_stops=is_stop_in_the_way):
                await self._cancel(order)
        finally:
            wish.is_making_way = False
        if is_stop_in_the_way and protection.stop_price is not None:
            self._parts.tell(f"{symbol}: its stop made way for the exit")
        self._ask(symbol, wish)

    async def _cancel(self, order: Order) -> None:
        try:
            await self._oms.cancel(
                self._account, order.symbol, order.client_order_id, order.exchange_order_id
            )
        except ExchangeError as fault:
            self._parts.tell(f"{order.symbol}: {fault.text}")

    def _holding(self, symbol: str, *, with_stops: bool) -> list[Order]:
        return [
            order
            for order in self._oms.working_orders(self._account)
            if order.symbol == symbol
            and order.reduce_only
            and order.purpose is not OrderPurpose.EXIT
            and (with_stops or order.purpose is not OrderPurpose.STOP_LOSS)
        ]

    def _ask(self, symbol: str, wish: _Wish) -> None:
        position = self._open_position(symbol)
        if position is None:
            return
        instrument = self._parts.instruments.get(symbol)
        bot_id = self._parts.owner_of(self._account, symbol)
        now_ms = self._clock.time_ms()
        # two accounts may close the same symbol in the same millisecond
        nonce = nonce_for(f"{self._account}/{bot_id}", OrderPurpose.EXIT, next(self._sequence))
        wish.client_order_id = make_client_order_id(
            "manual", symbol, now_ms, nonce, self._parts.port.exchange
        )
        largest = position.quantity if instrument is None else instrument.max_quantity
        self._parts.bus.publish(
            OrderRequest(
                client_order_id=wish.client_order_id,
                account=self._account,
                bot_id=bot_id,
                strategy="manual",
                symbol=symbol,
                side=position.side.opposite,
                order_type=OrderType.MARKET,
                quantity=min(position.quantity, largest),
                reference_price=price_of(position, self._ticker_of(symbol)),
                purpose=OrderPurpose.EXIT,
                created_ms=now_ms,
                reduce_only=True,
                reason=wish.reason,
            )
        )
