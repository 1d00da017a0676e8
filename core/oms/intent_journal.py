"""The intent journal: what is on disk before a request leaves, and all that came of it.

Rule 1 rests here. An order is written twice before it is sent: as an intent, and as sent. After
a crash the first alone means "never left", the second "ask the exchange". Fills are kept by
trade id, so each is booked once however often the exchange repeats it, and each carries whether
the capital ledger has it, so a crash between the two books loses nothing.

Every method is one transaction, durable when it returns (a mark for the capital ledger: with the
next one, for without it the ledger is only told again); all raise sqlite3.Error when the disk
refuses, and then nothing of the call has happened. For exits alone there is a way out: a page
that was reserved on disk beforehand (`reserve`), read back into the tables as soon as they can be
written again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal

import msgspec

from core.models.fills import Fill, FillKind
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus
from core.models.positions import AcceptedPosition
from core.oms.order_state import FillTotals, order_from_request
from core.snapshots import TrailLine
from core.storage.database import synced_later, transaction
from core.storage.reserved_file import ReservedFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS oms_orders (
    client_order_id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    exchange_order_id TEXT NOT NULL,
    is_terminal INTEGER NOT NULL,
    is_settled INTEGER NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS oms_orders_by_exchange_id ON oms_orders (account, exchange_order_id);
CREATE INDEX IF NOT EXISTS oms_orders_by_bot ON oms_orders (bot_id, created_ms);
CREATE INDEX IF NOT EXISTS oms_orders_by_symbol ON oms_orders (account, symbol, created_ms);
CREATE INDEX IF NOT EXISTS oms_orders_live ON oms_orders (account) WHERE is_terminal = 0;
CREATE INDEX IF NOT EXISTS oms_orders_unsettled ON oms_orders (account) WHERE is_settled = 0;
CREATE TABLE IF NOT EXISTS oms_fills (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    trade_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    is_in_capital INTEGER NOT NULL,
    fill TEXT NOT NULL,
    UNIQUE (account, symbol, trade_id)
);
CREATE INDEX IF NOT EXISTS oms_fills_by_order ON oms_fills (client_order_id);
CREATE INDEX IF NOT EXISTS oms_fills_not_in_capital ON oms_fills (account)
    WHERE is_in_capital = 0;
CREATE TABLE IF NOT EXISTS oms_positions (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity TEXT NOT NULL,
    PRIMARY KEY (account, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oms_accepted (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    after_fill INTEGER NOT NULL,
    position TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS oms_closes (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (account, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oms_stops (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    set_ms INTEGER NOT NULL,
    stop_loss TEXT NOT NULL,
    take_profit TEXT,
    PRIMARY KEY (account, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oms_ignored (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (account, symbol)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oms_accounts (
    account TEXT PRIMARY KEY,
    baseline_ms INTEGER NOT NULL,
    reconciled_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oms_trail (
    id INTEGER PRIMARY KEY,
    client_order_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    step TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS oms_trail_by_order ON oms_trail (client_order_id);
"""


class KeptStop(msgspec.Struct, frozen=True):
    """The protection that a position is meant to have, where it is not its entry's."""

    set_ms: int
    stop_loss: Decimal
    take_profit: Decimal | None


class KeptClose(msgspec.Struct, frozen=True):
    """A close that was asked for and is not known to have ended flat. `asked_ms` is market time."""

    symbol: str
    asked_ms: int
    reason: str


class IntentJournal:
    """Tables `oms_*` of the connection given. One writer: the engine's loop."""

    def __init__(self, database: sqlite3.Connection, reserve: ReservedFile | None = None) -> None:
        """What a former run left on the reserved page is taken into the tables."""
        self._database = database
        self._reserve = reserve
        database.executescript(_SCHEMA)
        self._empty_reserve()

    def before_sending(self) -> AbstractContextManager[None]:
        """What is written inside becomes durable with the first write outside, at the latest when
        the order is saved as sent: one wait for the disk instead of three. A power cut before
        that takes back an order that has not left."""
        return synced_later(self._database)

    # --- orders -----------------------------------------------------------------------------

    def record(self, request: OrderRequest, order: Order, trail: Sequence[TrailLine]) -> None:
        """The intent, whole. Raises sqlite3.IntegrityError for a client id that is known."""
        with transaction(self._database):
            self._insert(request, order)
            self._add_trail(request.client_order_id, trail)

    def reserve(self, request: OrderRequest) -> None:
        """The intent of an exit, on the page kept for a full disk: read back as one that may have
        been sent. Raises sqlite3.OperationalError when there is no such page or it is full."""
        if self._reserve is None:
            raise sqlite3.OperationalError("no page is reserved for exits")
        try:
            self._reserve.append(msgspec.json.encode(request))
        except OSError as fault:
            raise sqlite3.OperationalError(f"the page reserved for exits: {fault}") from fault

    def restore(self, orders: Iterable[tuple[OrderRequest | None, Order, list[TrailLine]]]) -> None:
        """All that could not be written until now, and then the reserved page is free again. The
        request of an order that stands in no table yet comes with it."""
        with transaction(self._database):
            for request, order, trail in orders:
                if request is not None and self.request(request.client_order_id) is None:
                    self._insert(request, order)
                self._save(order)
                self._add_trail(order.client_order_id, trail)
        self._empty_reserve()

    def note(self, client_order_id: str, line: TrailLine) -> None:
        """One more line of the order's trail."""
        with transaction(self._database):
            self._add_trail(client_order_id, [line])

    def save(self, order: Order, trail: Sequence[TrailLine] = ()) -> None:
        """The newest state of a recorded order, and how it came about."""
        with transaction(self._database):
            self._save(order)
            self._add_trail(order.client_order_id, trail)

    def mark_settled(self, client_order_id: str) -> None:
        """The capital ledger has given back what this ended order had reserved."""
        with synced_later(self._database):
            self._database.execute(
                "UPDATE oms_orders SET is_settled = 1 WHERE client_order_id = ?",
                (client_order_id,),
            )

    def order(self, client_order_id: str) -> Order | None:
        return _first(self._orders("client_order_id = ?", (client_order_id,)))

    def order_by_exchange_id(self, account: str, exchange_order_id: str) -> Order | None:
        return _first(
            self._orders("account = ? AND exchange_order_id = ?", (account, exchange_order_id))
        )

    def request(self, client_order_id: str) -> OrderRequest | None:
        row = self._database.execute(
            "SELECT request FROM oms_orders WHERE client_order_id = ?", (client_order_id,)
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=OrderRequest)

    def unresolved(self, account: str) -> list[Order]:
        """Orders that have not ended, oldest first: what a restart takes up again."""
        return self._orders("account = ? AND is_terminal = 0 ORDER BY created_ms", (account,))

    def unsettled(self, account: str) -> list[Order]:
        """Ended orders whose reservation the capital ledger may still hold, oldest first."""
        return self._orders(
            "account = ? AND is_settled = 0 AND is_terminal = 1 ORDER BY created_ms", (account,)
        )

    def entries_of(self, account: str, symbol: str, limit: int) -> list[Order]:
        """Entry orders of one symbol, newest first."""
        return self._orders(
            "account = ? AND symbol = ? AND purpose = ? ORDER BY created_ms DESC LIMIT ?",
            (account, symbol, OrderPurpose.ENTRY.value, limit),
        )

    def last_received(self, account: str, since_ms: int, before_ms: int) -> Order | None:
        """The newest order created in that time that the exchange has named and cannot have
        forgotten: it works, or it was filled."""
        return _first(
            self._orders(
                "account = ? AND created_ms >= ? AND created_ms < ? AND exchange_order_id != '' "
                "AND (is_terminal = 0 OR EXISTS (SELECT 1 FROM oms_fills AS fills "
                "WHERE fills.client_order_id = oms_orders.client_order_id)) "
                "ORDER BY created_ms DESC LIMIT 1",
                (account, since_ms, before_ms),
            )
        )

    def orders_of(self, bot_id: str, limit: int) -> list[Order]:
        """Newest first."""
        return self._orders("bot_id = ? ORDER BY created_ms DESC LIMIT ?", (bot_id, limit))

    def trail(self, client_order_id: str) -> list[TrailLine]:
        """Everything that was noted on one order, in its order."""
        rows = self._database.execute(
            "SELECT time_ms, step, text FROM oms_trail WHERE client_order_id = ? ORDER BY id",
            (client_order_id,),
        )
        return [TrailLine(*row) for row in rows]

    # --- fills ------------------------------------------------------------------------------

    def add_fill(
        self,
        fill: Fill,
        purpose: OrderPurpose,
        order: Order | None,
        trail: Sequence[TrailLine] = (),
    ) -> None:
        """Book a fill that is not known yet, with what it makes of its order (if ours) and of
        the position. Raises sqlite3.IntegrityError for a trade id that is known."""
        with transaction(self._database):
            self._database.execute(
                "INSERT INTO oms_fills (account, symbol, trade_id, client_order_id, time_ms, "
                "purpose, is_in_capital, fill) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                (
                    fill.account,
                    fill.symbol,
                    fill.trade_id,
                    fill.client_order_id,
                    fill.time_ms,
                    purpose.value,
                    _text(fill),
                ),
            )
            if fill.kind is FillKind.TRADE:
                change = fill.quantity * fill.side.sign
                net = self.net_quantity(fill.account, fill.symbol) + change
                self._set_net_quantity(fill.account, fill.symbol, net)
            if order is not None:
                self._save(order)
                self._add_trail(order.client_order_id, trail)

    def knows_fill(self, fill: Fill) -> bool:
        return self._fill_row(fill, "1") is not None

    def purpose_of(self, fill: Fill) -> OrderPurpose | None:
        """None for a fill that is not booked."""
        row = self._fill_row(fill, "purpose")
        return None if row is None else OrderPurpose(row[0])

    def mark_in_capital(self, fill: Fill) -> None:
        """The capital ledger has this fill."""
        with synced_later(self._database):
            self._database.execute(
                "UPDATE oms_fills SET is_in_capital = 1 "
                "WHERE account = ? AND symbol = ? AND trade_id = ?",
                (fill.account, fill.symbol, fill.trade_id),
            )

    def fills_not_in_capital(self, account: str) -> list[Fill]:
        """In the order of their booking: what a crash kept from the capital ledger."""
        return self._fills("account = ? AND is_in_capital = 0", (account,))

    def fills(self, account: str, since_ms: int) -> list[Fill]:
        """Every booked fill from `since_ms` (exchange time) on, in the order of their booking."""
        return self._fills("account = ? AND time_ms >= ?", (account, since_ms))

    def fills_of(self, client_order_id: str) -> list[Fill]:
        """In the order of their booking."""
        return self._fills("client_order_id = ?", (client_order_id,))

    def fills_from(self, first: Fill) -> list[Fill]:
        """Trades of the same symbol from `first` on, itself included, as they were booked."""
        fills = self._fills(
            "account = ? AND symbol = ? AND id >= (SELECT id FROM oms_fills "
            "WHERE account = ? AND symbol = ? AND trade_id = ?)",
            (first.account, first.symbol, first.account, first.symbol, first.trade_id),
        )
        return [fill for fill in fills if fill.kind is FillKind.TRADE]

    def totals_of(self, client_order_id: str) -> FillTotals:
        """Sum of the fills booked for one order."""
        totals = FillTotals()
        for fill in self.fills_of(client_order_id):
            totals = totals.plus(fill)
        return totals

    # --- positions and accounts -------------------------------------------------------------

    def net_quantity(self, account: str, symbol: str) -> Decimal:
        """Signed position that the booked fills add up to, in base."""
        row = self._database.execute(
            "SELECT quantity FROM oms_positions WHERE account = ? AND symbol = ?",
            (account, symbol),
        ).fetchone()
        return Decimal(0) if row is None else Decimal(row[0])

    def net_quantities(self, account: str) -> dict[str, Decimal]:
        rows = self._database.execute(
            "SELECT symbol, quantity FROM oms_positions WHERE account = ?", (account,)
        )
        return {symbol: Decimal(quantity) for symbol, quantity in rows}

    def accept_position(self, position: AcceptedPosition) -> None:
        """Take over a position that the fills do not explain, as the exchange shows it."""
        with transaction(self._database):
            self._set_net_quantity(position.account, position.symbol, position.quantity)
            self._database.execute(
                "INSERT INTO oms_accepted (account, after_fill, position) "
                "VALUES (?, (SELECT ifnull(max(id), 0) FROM oms_fills), ?)",
                (position.account, _text(position)),
            )

    def history(self, account: str) -> list[Fill | AcceptedPosition]:
        """Every booked fill and every position taken over, in the order of their booking."""
        events: list[tuple[int, Fill | AcceptedPosition]] = [
            (after_fill, msgspec.json.decode(text, type=AcceptedPosition))
            for after_fill, text in self._database.execute(
                "SELECT after_fill, position FROM oms_accepted WHERE account = ? ORDER BY id",
                (account,),
            )
        ]
        fills = self._database.execute(
            "SELECT id, fill FROM oms_fills WHERE account = ? ORDER BY id", (account,)
        )
        events = [(row, msgspec.json.decode(text, type=Fill)) for row, text in fills] + events
        events.sort(key=lambda event: event[0])  # stable: what was accepted stands behind its fill
        return [event for _, event in events]

    def keep_close(self, account: str, close: KeptClose) -> None:
        """From now on the position is to be closed, over any number of restarts."""
        self._database.execute(
            "INSERT OR REPLACE INTO oms_closes VALUES (?, ?, ?, ?)",
            (account, close.symbol, close.asked_ms, close.reason),
        )

    def forget_close(self, account: str, symbol: str) -> None:
        """It has ended flat."""
        self._database.execute(
            "DELETE FROM oms_closes WHERE account = ? AND symbol = ?", (account, symbol)
        )

    def kept_closes(self, account: str) -> list[KeptClose]:
        rows = self._database.execute(
            "SELECT symbol, asked_ms, reason FROM oms_closes WHERE account = ?", (account,)
        )
        return [KeptClose(*row) for row in rows]

    def kept_stop(self, account: str, symbol: str) -> KeptStop | None:
        """None where the entry's own protection holds."""
        row = self._database.execute(
            "SELECT set_ms, stop_loss, take_profit FROM oms_stops WHERE account = ? AND symbol = ?",
            (account, symbol),
        ).fetchone()
        if row is None:
            return None
        return KeptStop(row[0], Decimal(row[1]), Decimal(row[2]) if row[2] is not None else None)

    def keep_stop(self, account: str, symbol: str, stop: KeptStop) -> None:
        """From now on the position is meant to have this protection."""
        take_profit = None if stop.take_profit is None else str(stop.take_profit)
        self._database.execute(
            "INSERT OR REPLACE INTO oms_stops VALUES (?, ?, ?, ?, ?)",
            (account, symbol, stop.set_ms, str(stop.stop_loss), take_profit),
        )

    def ignored(self, account: str, symbol: str) -> str:
        """The finding that the trader does not want to hear of again; "" if there is none."""
        row = self._database.execute(
            "SELECT text FROM oms_ignored WHERE account = ? AND symbol = ?", (account, symbol)
        ).fetchone()
        return "" if row is None else str(row[0])

    def ignore(self, account: str, symbol: str, text: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO oms_ignored VALUES (?, ?, ?)", (account, symbol, text)
        )

    def watermark(self, account: str, now_ms: int) -> tuple[int, int]:
        """(baseline, last): fills before the baseline (the account's first reconcile, `now_ms`
        if this is it) are not ours to book; up to `last` every fill is booked."""
        self._database.execute(
            "INSERT OR IGNORE INTO oms_accounts VALUES (?, ?, ?)", (account, now_ms, now_ms)
        )
        baseline_ms, reconciled_ms = self._database.execute(
            "SELECT baseline_ms, reconciled_ms FROM oms_accounts WHERE account = ?", (account,)
        ).fetchone()
        return baseline_ms, reconciled_ms

    def set_reconciled(self, account: str, time_ms: int) -> None:
        """Every fill before `time_ms` (market time) is booked."""
        self._database.execute(
            "UPDATE oms_accounts SET reconciled_ms = ? WHERE account = ?", (time_ms, account)
        )

    # --- inside -----------------------------------------------------------------------------

    def _empty_reserve(self) -> None:
        """An exit that stands there may have left: it is taken up as sent, and asked for."""
        if self._reserve is None:
            return
        try:
            with transaction(self._database):
                for record in self._reserve.records():
                    request = msgspec.json.decode(record, type=OrderRequest)
                    sent = msgspec.structs.replace(
                        order_from_request(request), status=OrderStatus.SENT
                    )
                    if self.request(request.client_order_id) is None:
                        self._insert(request, sent)
                        continue
                    known = self.order(request.client_order_id)
                    if known is not None and known.status is OrderStatus.INTENT:
                        self._save(sent)
            self._reserve.clear()
        except OSError as fault:
            raise sqlite3.OperationalError(f"the page reserved for exits: {fault}") from fault

    def _insert(self, request: OrderRequest, order: Order) -> None:
        self._database.execute(
            "INSERT INTO oms_orders VALUES (?, ?, ?, ?, ?, ?, '', 0, 0, ?, ?)",
            (
                request.client_order_id,
                request.account,
                request.symbol,
                request.bot_id,
                request.purpose.value,
                request.created_ms,
                _text(request),
                _text(order),
            ),
        )

    def _save(self, order: Order) -> None:
        self._database.execute(
            "UPDATE oms_orders SET exchange_order_id = ?, is_terminal = ?, is_settled = 0, "
            "state = ? WHERE client_order_id = ?",
            (
                order.exchange_order_id,
                order.status.is_terminal,
                _text(order),
                order.client_order_id,
            ),
        )

    def _add_trail(self, client_order_id: str, steps: Iterable[TrailLine]) -> None:
        self._database.executemany(
            "INSERT INTO oms_trail (client_order_id, time_ms, step, text) VALUES (?, ?, ?, ?)",
            [(client_order_id, step.time_ms, step.step, step.text) for step in steps],
        )

    def _orders(self, where: str, values: tuple[object, ...]) -> list[Order]:
        rows = self._database.execute(f"SELECT state FROM oms_orders WHERE {where}", values)
        return [msgspec.json.decode(text, type=Order) for (text,) in rows]

    def _fills(self, where: str, values: tuple[object, ...]) -> list[Fill]:
        rows = self._database.execute(
            f"SELECT fill FROM oms_fills WHERE {where} ORDER BY id", values
        )
        return [msgspec.json.decode(text, type=Fill) for (text,) in rows]

    def _fill_row(self, fill: Fill, column: str) -> tuple[str] | None:
        row: tuple[str] | None = self._database.execute(
            f"SELECT {column} FROM oms_fills WHERE account = ? AND symbol = ? AND trade_id = ?",
            (fill.account, fill.symbol, fill.trade_id),
        ).fetchone()
        return row

    def _set_net_quantity(self, account: str, symbol: str, quantity: Decimal) -> None:
        self._database.execute(
            "INSERT INTO oms_positions VALUES (?, ?, ?) "
            "ON CONFLICT (account, symbol) DO UPDATE SET quantity = excluded.quantity",
            (account, symbol, str(quantity)),
        )


def _first(orders: list[Order]) -> Order | None:
    return orders[0] if orders else None


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
