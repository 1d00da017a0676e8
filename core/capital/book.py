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
from core.models.orders import Order, OrderPurpose, Side
from core.models.positions import Position

ZERO = Decimal(0)
EXTERNAL_OWNER = "external"  # made at the exchange, by nobody here
IMPORTED_OWNER = "imported"  # taken over by name; the exchange will say what it is
MANUAL_OWNER = "manual"  # the trader's own orders through this program
SMALLEST = Decimal("0.00000001")
TRANSFER_KINDS = frozenset({"deposit", "withdrawal"})
_AT_EXCHANGE = "exchange:"  # names the reservation of an order that was not sent from here
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

    kind: str  # reserved, locked, given_back, released, fee, funding, deposit, withdrawal
    text: str
    amount: Decimal
    cash: Decimal = ZERO


class CapitalBook:
    """Total, and who holds how much of it. `cash` is the total taken apart by kind of line."""

    def __init__(self, cap_ratio: Decimal) -> None:
        self.cap_ratio = cap_ratio
        self.total = ZERO
        self.cash: dict[str, Decimal] = {}
        self.reservations: dict[str, Reservation] = {}
        self.locks: dict[str, PositionLock] = {}

    def copy(self) -> Self:
        twin = type(self)(self.cap_ratio)
        twin.total = self.total
        twin.cash = dict(self.cash)
        twin.reservations = dict(self.reservations)
        twin.locks = dict(self.locks)
        return twin

    @property
    def deposits(self) -> Decimal:
        """Deposited less withdrawn: what the results are results on."""
        return sum((self.cash.get(kind, ZERO) for kind in TRANSFER_KINDS), ZERO)

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

    def committed_by_symbol(self) -> dict[str, Decimal]:
        """What positions and orders of each symbol hold together."""
        held = {symbol: lock.amount for symbol, lock in self.locks.items()}
        for entry in self.reservations.values():
            held[entry.symbol] = held.get(entry.symbol, ZERO) + entry.amount
        return held

    def committed_to(self, symbol: str, except_order: str = "") -> Decimal:
        own = self.reservations.get(except_order)
        held = self.committed_by_symbol().get(symbol, ZERO)
        return held - own.amount if own is not None and own.symbol == symbol else held

    def audit(self) -> str:
        """What is wrong with the book, or "". Losses may leave more in use than the cap allows;
        that is not wrong, it only ends new entries."""
        if self.total != sum(self.cash.values(), ZERO):
            return f"the parts of the total {self.total} add up to {sum(self.cash.values(), ZERO)}"
        for entry in self.reservations.values():
            if entry.amount < 0 or entry.booked_quantity > entry.quantity:
                return f"reservation {entry.client_order_id} is below nothing: {entry.amount}"
        for lock in self.locks.values():
            if lock.amount < 0 or lock.quantity < 0:
                return f"lock of {lock.symbol} is below nothing: {lock.amount}"
        return ""

    def book_line(self, line: Line) -> None:
        """Apply a line's cash; also how the total is added up again from disk."""
        if line.cash != 0:
            self.total += line.cash
            self.cash[line.kind] = self.cash.get(line.kind, ZERO) + line.cash

    def reserve(self, reservation: Reservation, text: str) -> list[Line]:
        """The caller has checked `available`."""
        self.reservations[reservation.client_order_id] = reservation
        return [Line("reserved", text, reservation.amount)]

    def transfer(self, amount: Decimal, text: str) -> list[Line]:
        """Money that came (above zero) or went."""
        kind = "deposit" if amount > 0 else "withdrawal"
        return self._booked([Line(kind, text, abs(amount), amount)])

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
        owner = self._consume(fill)
        if fill.quantity > closed:
            opened = fill.quantity - closed
            text = f"{fill.symbol}, filled {opened} at {fill.price}"
            lines.append(Line("locked", text, self._lock(fill, opened, owner)))
        if fill.fee != 0:
            lines.append(Line("fee", f"{fill.symbol}, trade {fill.trade_id}", fill.fee, -fill.fee))
        return self._booked(lines)

    def allocate(self, lock: PositionLock) -> list[Line]:
        """By name, before its position exists; the caller has checked `available`."""
        former = self.locks.get(lock.symbol)
        amount = lock.amount + (former.amount if former else ZERO)
        self.locks[lock.symbol] = msgspec.structs.replace(former or lock, amount=amount)
        return [Line("locked", f"{lock.symbol}, allocated", lock.amount)]

    def take_over(self, symbol: str, owner: str) -> list[Line]:
        """The position is somebody else's from now on; its capital stays where it is."""
        lock = self.locks.get(symbol)
        if lock is None or lock.bot_id == owner:
            return []
        self.locks[symbol] = msgspec.structs.replace(lock, bot_id=owner)
        return [Line("locked", f"{symbol}, taken over by {owner}", lock.amount)]

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
            is_known_there = lock.quantity > 0 or lock.bot_id == IMPORTED_OWNER
            if symbol not in held and is_known_there and lock.changed_ms <= asked_ms:
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
                bot_id=self._owner_of(symbol),
                side=position.side,
                quantity=position.quantity,
                amount=position.entry_notional,
                changed_ms=position.updated_ms,
                synchronised_ms=position.updated_ms,
            )
            text = f"{symbol}, position of {position.quantity} found at the exchange"
            lines.append(Line("locked", text, position.entry_notional))
        return lines

    def hold_external(self, open_orders: Iterable[Order], fee_ratio: Decimal) -> list[Line]:
        """Entry orders that rest at the exchange without a reservation of ours hold capital too:
        exactly those in `open_orders`. The cap is not asked, for they are there already."""
        found: dict[str, Reservation] = {}
        for order in open_orders:
            entry = self._foreign(order, fee_ratio)
            if entry is not None:
                found[entry.client_order_id] = entry
        lines = []
        for name in [n for n in self.reservations if n.startswith(_AT_EXCHANGE)]:
            if name not in found:
                gone = self.reservations.pop(name)
                text = f"{gone.symbol}, order at the exchange ended"
                lines.append(Line("given_back", text, gone.amount))
        for name, entry in found.items():
            if self.reservations.get(name) != entry:
                self.reservations[name] = entry
                text = f"{entry.symbol}, order of {entry.quantity} found at the exchange"
                lines.append(Line("reserved", text, entry.amount))
        return lines

    def _foreign(self, order: Order, fee_ratio: Decimal) -> Reservation | None:
        """What an open order of somebody else may still cost; None for ours and for exits."""
        price = order.price if order.price is not None else order.trigger_price
        if order.client_order_id in self.reservations or order.reduce_only or price is None:
            return None
        if order.purpose in _CLOSING or order.status.is_terminal:
            return None
        opens = order.quantity - order.filled_quantity
        lock = self.locks.get(order.symbol)
        if lock is not None and lock.side is not order.side:
            opens -= lock.quantity  # one-way mode: that much only closes
        if opens <= 0:
            return None
        owner = order.bot_id or EXTERNAL_OWNER
        amount = opens * price * (1 + fee_ratio)
        return Reservation(
            _AT_EXCHANGE + order.exchange_order_id, order.symbol, owner, opens, amount
        )

    def _booked(self, lines: list[Line]) -> list[Line]:
        for line in lines:
            self.book_line(line)
        return lines

    def _owner_of(self, symbol: str) -> str:
        lock = self.locks.get(symbol)
        if lock is not None and lock.bot_id != IMPORTED_OWNER:
            return lock.bot_id
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

    def _consume(self, fill: Fill) -> str:
        """Take the filled part out of its order's reservation; returns who opens by it."""
        entry = self.reservations.get(fill.client_order_id) or self.reservations.get(
            _AT_EXCHANGE + fill.exchange_order_id
        )
        if entry is None:
            return fill.bot_id or EXTERNAL_OWNER
        still_open = entry.quantity - entry.booked_quantity
        if fill.quantity >= still_open:
            del self.reservations[entry.client_order_id]
        else:
            self.reservations[entry.client_order_id] = msgspec.structs.replace(
                entry,
                booked_quantity=entry.booked_quantity + fill.quantity,
                amount=entry.amount - _share(entry.amount, fill.quantity, still_open),
            )
        return fill.bot_id or entry.bot_id

    def _lock(self, fill: Fill, opened: Decimal, owner: str) -> Decimal:
        amount = opened * fill.price
        lock = self.locks.get(fill.symbol)
        if lock is not None and fill.time_ms <= lock.synchronised_ms:
            return ZERO
        if lock is None or lock.quantity == 0:  # an allocation by name becomes this position
            lock = PositionLock(fill.symbol, owner, fill.side, ZERO, ZERO, fill.time_ms)
        self.locks[fill.symbol] = msgspec.structs.replace(
            lock,
            quantity=lock.quantity + opened,
            amount=lock.amount + amount,
            changed_ms=max(lock.changed_ms, fill.time_ms),
        )
        return amount


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`amount` x `part` / `whole`, down to the smallest unit kept."""
    return (amount * part / whole).quantize(SMALLEST, rounding=ROUND_DOWN)
