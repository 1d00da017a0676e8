"""The arithmetic of the capital ledger: pure, exact, no database, no clock, no lock.

Money is in one of three places: free, reserved (an order that may still fill) or locked (a
position, by its entry notional). Every operation changes the book in memory and returns the
ledger lines that tell what happened; `ledger.py` makes both durable in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Self

import msgspec

from core.models.fills import Fill, FillKind
from core.models.orders import OrderPurpose, Side
from core.models.positions import Position

ZERO = Decimal(0)
EXTERNAL_OWNER = "external"
_SMALLEST = Decimal("0.00000001")
_CLOSING = frozenset({OrderPurpose.EXIT, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT})
_WORDS = {
    OrderPurpose.STOP_LOSS: "stop loss",
    OrderPurpose.TAKE_PROFIT: "take profit",
    OrderPurpose.EXIT: "exit",
    OrderPurpose.ENTRY: "reversed",
    OrderPurpose.EXTERNAL: "closed elsewhere",
}


class Reservation(msgspec.Struct, frozen=True):
    """Capital kept for what an entry order may still fill.

    `quantity` is how much the order can fill in all, `booked_quantity` how much has been booked,
    `amount` what is still held for the difference. Closed ones stay on disk, so that an id
    can never reserve twice.
    """

    client_order_id: str
    symbol: str
    bot_id: str
    quantity: Decimal
    amount: Decimal
    booked_quantity: Decimal = ZERO


class PositionLock(msgspec.Struct, frozen=True):
    """Capital in a position. `amount` / `quantity` is the average entry price.

    `quantity` 0: allocated by name, before its position exists. `changed_ms` is the exchange's
    time of the last fill; fills up to `synchronised_ms` are in the quantity already.
    """

    symbol: str
    bot_id: str
    side: Side
    quantity: Decimal
    amount: Decimal
    changed_ms: int
    synchronised_ms: int = -1

    def unrealized_pnl(self, mark_price: Decimal) -> Decimal:
        if self.quantity == 0:
            return ZERO
        return self.side.sign * (self.quantity * mark_price - self.amount)


class Line(msgspec.Struct, frozen=True):
    """One line of the ledger. `cash` is what it changed in the total."""

    kind: str  # reserved, locked, given_back, released, fee, funding, deposit
    text: str
    amount: Decimal
    cash: Decimal = ZERO


class CapitalBook:
    """Total, and who holds how much of it."""

    def __init__(self, cap_ratio: Decimal) -> None:
        self.cap_ratio = cap_ratio
        self.total = ZERO
        self.deposits = ZERO
        self.reservations: dict[str, Reservation] = {}
        self.locks: dict[str, PositionLock] = {}

    def copy(self) -> Self:
        twin = type(self)(self.cap_ratio)
        twin.__dict__.update(self.__dict__)
        twin.reservations = dict(self.reservations)
        twin.locks = dict(self.locks)
        return twin

    @property
    def reserved(self) -> Decimal:
        return sum((entry.amount for entry in self.reservations.values()), ZERO)

    @property
    def locked(self) -> Decimal:
        return sum((entry.amount for entry in self.locks.values()), ZERO)

    @property
    def committed(self) -> Decimal:
        return self.reserved + self.locked

    @property
    def available(self) -> Decimal:
        """What a new order may take."""
        return max(ZERO, self.cap_ratio * self.total - self.committed)

    def committed_to(self, symbol: str, except_order: str = "") -> Decimal:
        held = [lock.amount for lock in self.locks.values() if lock.symbol == symbol]
        held += [
            entry.amount
            for entry in self.reservations.values()
            if entry.symbol == symbol and entry.client_order_id != except_order
        ]
        return sum(held, ZERO)

    def audit(self) -> str:
        """What is wrong with the book, or "". Losses may leave more in use than the cap allows;
        that is not wrong, it only ends new entries."""
        for entry in self.reservations.values():
            if entry.amount < 0 or entry.booked_quantity > entry.quantity:
                return f"reservation {entry.client_order_id} is below nothing: {entry.amount}"
        for lock in self.locks.values():
            if lock.amount < 0 or lock.quantity < 0:
                return f"lock of {lock.symbol} is below nothing: {lock.amount}"
        return ""

    def book_line(self, line: Line) -> None:
        """Apply a line's cash; also how the total is added up again from disk."""
        self.total += line.cash
        if line.kind == "deposit":
            self.deposits += line.cash

    def reserve(self, reservation: Reservation, text: str) -> list[Line]:
        """The caller has checked `available`."""
        self.reservations[reservation.client_order_id] = reservation
        return [Line("reserved", text, reservation.amount)]

    def settle(self, client_order_id: str, filled: Decimal | None, reason: str) -> list[Line]:
        """The order will fill `filled` in all and no more (None: nothing beyond what is booked).
        What it keeps is for fills that are still on their way here."""
        entry = self.reservations.get(client_order_id)
        if entry is None:
            return []
        still_open = entry.quantity - entry.booked_quantity
        to_come = ZERO if filled is None else filled - entry.booked_quantity
        if to_come >= still_open:
            return []
        kept = ZERO
        if to_come > 0:
            kept = _share(entry.amount, to_come, still_open)
            self.reservations[client_order_id] = msgspec.structs.replace(
                entry, quantity=entry.booked_quantity + to_come, amount=kept
            )
        else:
            del self.reservations[client_order_id]
        return [Line("given_back", f"{entry.symbol}, {reason}", entry.amount - kept)]

    def fill(self, fill: Fill, purpose: OrderPurpose) -> list[Line]:
        """Book one execution. What it closes is released pro rata, what it opens is locked."""
        if fill.kind is FillKind.FUNDING:
            text = f"{fill.symbol}, {'paid' if fill.cash_flow < 0 else 'received'}"
            return self._booked([Line("funding", text, abs(fill.cash_flow), fill.cash_flow)])
        closed = self._closed_quantity(fill, purpose)
        lines = []
        if closed > 0 or fill.realized_pnl != 0:
            released = self._release(fill, closed)
            words = _WORDS[purpose]
            text = f"{fill.symbol}, {words}, result {fill.realized_pnl:+,.2f}"
            lines.append(Line("released", text, released, fill.realized_pnl))
        self._consume(fill)
        if fill.quantity > closed:
            opened = fill.quantity - closed
            text = f"{fill.symbol}, filled {opened} at {fill.price}"
            lines.append(Line("locked", text, self._lock(fill, opened)))
        if fill.fee != 0:
            lines.append(Line("fee", f"{fill.symbol}, trade {fill.trade_id}", fill.fee, -fill.fee))
        return self._booked(lines)

    def allocate(self, lock: PositionLock) -> list[Line]:
        """By name, before its position exists; the caller has checked `available`."""
        former = self.locks.get(lock.symbol)
        amount = lock.amount + (former.amount if former else ZERO)
        self.locks[lock.symbol] = msgspec.structs.replace(former or lock, amount=amount)
        return [Line("locked", f"{lock.symbol}, allocated", lock.amount)]

    def release(self, symbol: str, pnl: Decimal) -> list[Line]:
        """By name: unlock the symbol and book its result."""
        lock = self.locks.pop(symbol, None)
        amount = lock.amount if lock else ZERO
        return self._booked([Line("released", f"{symbol}, result {pnl:+,.2f}", amount, pnl)])

    def synchronise(self, positions: Iterable[Position], asked_ms: int) -> list[Line]:
        """The exchange's quantities win, except over a fill newer than its answer."""
        lines = []
        held = {position.symbol: position for position in positions if not position.is_flat}
        for symbol, lock in list(self.locks.items()):
            if symbol not in held and lock.quantity > 0 and lock.changed_ms <= asked_ms:
                del self.locks[symbol]
                lines.append(
                    Line("released", f"{symbol}, no position at the exchange", lock.amount)
                )
        for symbol, position in held.items():
            former = self.locks.get(symbol)
            if former is not None and (
                former.changed_ms > position.updated_ms
                or (former.quantity == position.quantity and former.side is position.side)
            ):
                continue
            self.locks[symbol] = PositionLock(
                symbol=symbol,
                bot_id=former.bot_id if former else self._owner_of(symbol),
                side=position.side,
                quantity=position.quantity,
                amount=position.entry_notional,
                changed_ms=position.updated_ms,
                synchronised_ms=position.updated_ms,
            )
            text = f"{symbol}, position of {position.quantity} found at the exchange"
            lines.append(Line("locked", text, position.entry_notional))
        return lines

    def _booked(self, lines: list[Line]) -> list[Line]:
        for line in lines:
            self.book_line(line)
        return lines

    def _owner_of(self, symbol: str) -> str:
        for entry in self.reservations.values():
            if entry.symbol == symbol:
                return entry.bot_id
        return EXTERNAL_OWNER

    def _closed_quantity(self, fill: Fill, purpose: OrderPurpose) -> Decimal:
        if purpose in _CLOSING:
            return fill.quantity
        lock = self.locks.get(fill.symbol)
        against = ZERO
        if lock is not None and lock.side is not fill.side:  # one-way mode: it closes first
            against = lock.quantity
        return min(fill.quantity, max(fill.closed_quantity, against))

    def _release(self, fill: Fill, closed: Decimal) -> Decimal:
        lock = self.locks.get(fill.symbol)
        if lock is None or fill.time_ms <= lock.synchronised_ms:
            return ZERO
        if closed >= lock.quantity:
            del self.locks[fill.symbol]
            return lock.amount
        amount = _share(lock.amount, closed, lock.quantity)
        self.locks[fill.symbol] = msgspec.structs.replace(
            lock,
            quantity=lock.quantity - closed,
            amount=lock.amount - amount,
            changed_ms=max(lock.changed_ms, fill.time_ms),
        )
        return amount

    def _consume(self, fill: Fill) -> None:
        """Take the filled part out of its order's reservation."""
        entry = self.reservations.get(fill.client_order_id)
        if entry is None:
            return
        still_open = entry.quantity - entry.booked_quantity
        if fill.quantity >= still_open:
            del self.reservations[fill.client_order_id]
            return
        self.reservations[fill.client_order_id] = msgspec.structs.replace(
            entry,
            booked_quantity=entry.booked_quantity + fill.quantity,
            amount=entry.amount - _share(entry.amount, fill.quantity, still_open),
        )

    def _lock(self, fill: Fill, opened: Decimal) -> Decimal:
        amount = opened * fill.price
        lock = self.locks.get(fill.symbol)
        if lock is not None and fill.time_ms <= lock.synchronised_ms:
            return ZERO
        if lock is None or lock.quantity == 0:  # an allocation by name becomes this position
            lock = PositionLock(
                fill.symbol, fill.bot_id or EXTERNAL_OWNER, fill.side, ZERO, ZERO, fill.time_ms
            )
        self.locks[fill.symbol] = msgspec.structs.replace(
            lock,
            quantity=lock.quantity + opened,
            amount=lock.amount + amount,
            changed_ms=max(lock.changed_ms, fill.time_ms),
        )
        return amount


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`amount` x `part` / `whole`, down to the smallest unit kept."""
    return (amount * part / whole).quantize(_SMALLEST, rounding=ROUND_DOWN)
