"""Brings our books and the exchange's together; start and crash recovery are this same code.

Exchange truth wins for quantities, the journal for ownership (rule 3). Run at start, after every
reconnect of the private stream, after sleep and every 30-60 s: running it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import msgspec

from core.clock import Clock
from core.exchange_port import TradingPort
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderType
from core.models.positions import AcceptedPosition, Balance, Position
from core.oms.order_management_system import OrderManagementSystem
from core.oms.state_manager import StateManager

# Executions may be listed later than they happened; real time, in market time by the clock's rate
_FILL_OVERLAP_MS = 120_000
_ROUNDS = 3  # a fill between two of our questions looks like a difference once, not three times
_ROUND_PAUSE_S = 0.5


_Differences = dict[str, tuple[Decimal, Decimal]]
"""Symbol -> signed quantity of the exchange, of our fills, where the two differ."""


class ReconcileReport(msgspec.Struct, frozen=True):
    """What the exchange shows, and what remains open. Times in market time."""

    account: str
    as_of_ms: int
    balance: Balance
    positions: list[Position]
    open_orders: list[Order]
    fills: list[Fill]  # those of the time in question, known ones too
    fills_booked: int  # while it was read: what the stream had not brought, as a rule
    unresolved: list[Order]  # ours; the asking goes on in the background
    external: dict[str, str]  # symbol -> one sentence; each was told by `on_external` too
    dust: dict[str, Decimal]  # symbol -> difference below one lot, booked as what the exchange has
    is_consistent: bool  # no fill was booked while it was read: balance and ledger may be compared

    @property
    def is_clean(self) -> bool:
        return not self.unresolved and not self.external


class _Reading(msgspec.Struct, frozen=True):
    as_of_ms: int
    positions: list[Position]
    balance: Balance
    fills: list[Fill]
    is_consistent: bool


class Reconciler:
    """One for all accounts; two runs on one account wait for each other."""

    def __init__(
        self,
        *,
        oms: OrderManagementSystem,
        state: StateManager,
        ports: Mapping[str, TradingPort],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lot_of: Callable[[str], Decimal] = lambda _: Decimal(0),
        owner_of: Callable[[str, str], str] = lambda _account, _symbol: "",
        on_accepted: Callable[[AcceptedPosition], None] = lambda _: None,
    ) -> None:
        """`lot_of(symbol)`: the smallest quantity that can be traded, in base; a difference
        below it cannot be traded away and is booked as dust. `owner_of(account, symbol)`: the bot
        that trades it there. `on_accepted(position)` is told of what no fill explains and counts
        as known from now on."""
        self._oms = oms
        self._state = state
        self._ports = ports
        self._clock = clock
        self._sleep = sleep
        self._lot_of = lot_of
        self._owner_of = owner_of
        self._on_accepted = on_accepted
        self._shown: dict[str, dict[str, Decimal]] = {}  # signed, as the last answer had them
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reconcile(self, account: str) -> ReconcileReport:
        """Raises Unavailable (or another ExchangeError) when the exchange cannot be read: then
        nothing has been concluded, least of all that the account is flat; sqlite3.Error while
        the books cannot be written."""
        async with self._locks[account]:
            self._oms.save_unsaved()
            booked_before = self._oms.fills_booked
            reading, before = await self._read(account), _Differences()
            for round_number in range(1, _ROUNDS):
                before = self._differences(account, reading.positions)
                if before:
                    await self._sleep(_ROUND_PAUSE_S * round_number)
                elif reading.is_consistent:
                    break
                reading = await self._read(account)
            dust = self._book_dust(account, reading.positions)
            unresolved = self._oms.unresolved(account)
            external = self._external(account, reading.positions, before, unresolved)
            # only now: a list that lags behind our fills must not pass for "flat" meanwhile
            positions = [*reading.positions, *self._vanished(account, reading.positions)]
            self._state.replace_positions(account, positions, reading.as_of_ms)
            self._state.on_balance(reading.balance)
            self._shown[account] = {p.symbol: p.signed_quantity for p in reading.positions}
            self._oms.journal.set_reconciled(account, reading.as_of_ms)
            return ReconcileReport(
                account=account,
                as_of_ms=reading.as_of_ms,
                balance=reading.balance,
                positions=positions,
                open_orders=self._oms.working_orders(account),
                fills=reading.fills,
                fills_booked=self._oms.fills_booked - booked_before,
                unresolved=unresolved,
                external=external,
                dust=dust,
                is_consistent=reading.is_consistent,
            )

    def accept_position(self, account: str, symbol: str) -> None:
        """The trader has seen a position that the fills do not explain and takes it as it
        stands: from now on it counts as known. Its owner is the bot of that symbol."""
        shown = self._shown.get(account, {}).get(symbol, Decimal(0))
        self._accept(account, symbol, shown)
        self._oms.forget_external(account, symbol)
        if shown == 0:  # what vanished without a fill is gone, by the trader's word
            self._state.flatten(account, symbol)

    def _accept(
        self, account: str, symbol: str, quantity: Decimal, *, is_dust: bool = False
    ) -> None:
        accepted = AcceptedPosition(
            account,
            symbol,
            self._owner_of(account, symbol),
            quantity,
            self._clock.time_ms(),
            is_dust,
        )
        self._oms.journal.accept_position(accepted)
        self._on_accepted(accepted)

    async def _read(self, account: str) -> _Reading:
        """One reading of everything, applied only when all of it was answered."""
        port = self._ports[account]
        as_of_ms = self._clock.time_ms()
        booked_before = self._oms.fills_booked
        # positions first, fills last: what happens between is a fill that the positions lack,
        # which shows as a difference and is read again
        positions = await port.fetch_positions()
        balance = await port.fetch_balance()
        open_orders = await port.fetch_open_orders()
        fills = await port.fetch_fills(self._fills_since_ms(account, as_of_ms))
        for fill in fills:
            self._oms.on_fill(fill)
        for order in open_orders:
            self._oms.on_listed(order)
        open_ids = {order.exchange_order_id for order in open_orders}
        await self._oms.refresh_missing(account, open_ids, as_of_ms)
        await self._oms.resolve_unknown(account)
        is_consistent = self._oms.fills_booked == booked_before
        return _Reading(as_of_ms, positions, balance, fills, is_consistent)

    def _fills_since_ms(self, account: str, as_of_ms: int) -> int:
        """From the last successful run, not from the newest fill: the stream may have brought a
        new fill after it lost older ones."""
        baseline_ms, reconciled_ms = self._oms.journal.watermark(account, as_of_ms)
        overlap_ms = int(_FILL_OVERLAP_MS * max(1.0, self._clock.rate))
        return max(baseline_ms, reconciled_ms - overlap_ms)

    def _differences(self, account: str, positions: list[Position]) -> _Differences:
        """Symbol -> (signed quantity of the exchange, of our fills) where the two differ."""
        shown = {position.symbol: position.signed_quantity for position in positions}
        booked = self._oms.journal.net_quantities(account)
        return {
            symbol: (shown.get(symbol, Decimal(0)), booked.get(symbol, Decimal(0)))
            for symbol in sorted(shown.keys() | booked.keys())
            if shown.get(symbol, Decimal(0)) != booked.get(symbol, Decimal(0))
        }

    def _book_dust(self, account: str, positions: list[Position]) -> dict[str, Decimal]:
        """Less than a lot cannot be traded: the exchange's figure stands, the rest is dust."""
        dust: dict[str, Decimal] = {}
        for symbol, (shown, booked) in self._differences(account, positions).items():
            if abs(shown - booked) < self._lot_of(symbol):
                self._accept(account, symbol, shown, is_dust=True)
                dust[symbol] = shown - booked
        return dust

    def _vanished(self, account: str, positions: list[Position]) -> list[Position]:
        """Positions that the answer leaves out though no fill closed them, or while fills are
        missing. An empty list is what a faulty answer looks like, and so is an old one: they stand
        as they were until a fill, the stream or the trader says otherwise."""
        shown = {position.symbol for position in positions}
        booked = self._oms.journal.net_quantities(account)
        unclear = self._oms.unbooked_symbols(account)
        unclear |= {  # a market order does not work for long: its end, and its fills, are untold
            order.symbol
            for order in self._oms.working_orders(account)
            if order.client_order_id and order.order_type is OrderType.MARKET
        }
        return [
            known
            for known in self._state.positions(account)
            if known.symbol not in shown
            and (known.signed_quantity == booked.get(known.symbol) or known.symbol in unclear)
        ]

    def _external(
        self,
        account: str,
        positions: list[Position],
        before: _Differences,
        unresolved: list[Order],
    ) -> dict[str, str]:
        """What stays unexplained: the same difference in the last two readings. One that moves is
        trading that went on meanwhile. A symbol with an order of ours that is still being asked
        for waits: the difference may be that order."""
        differences = self._differences(account, positions)
        waiting = {order.symbol for order in unresolved}
        found = {
            symbol: (
                f"{symbol}: the exchange shows "
                + (f"a position of {shown:+}" if shown else "no position")
                + f", the fills that we know make {booked:+}"
            )
            for symbol, (shown, booked) in differences.items()
            if symbol not in waiting and before.get(symbol) == (shown, booked)
        }
        for symbol, text in found.items():
            self._oms.tell_external(account, symbol, text)
        for order in self._oms.working_orders(account):
            if order.purpose is OrderPurpose.EXTERNAL:
                found.setdefault(
                    order.symbol,
                    f"{order.symbol}: {order.side.value} order {order.exchange_order_id} "
                    "was placed outside this program",
                )
        self._oms.forget_explained(account, found.keys() | differences.keys())
        return found
