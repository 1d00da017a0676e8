"""The one road for an order: journal the wish, reserve capital, check risk, send.

Bots and the trader's own buttons publish `OrderRequest`; nobody else calls the order management
system. Any no gives the reservation back and is published with its sentence. Exits pass: they
reserve nothing, and neither capital nor a halted risk manager may keep a position open.

The same part carries what comes back to the capital ledger: each fill once, each ended order
once all of its fills are booked. Between the two books stands the journal's mark, so a crash at
any point is made good by `settle`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Reject, Severity, Signal
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest
from core.oms.order_management_system import OrderManagementSystem
from core.snapshots import RiskSnapshot, TrailLine

log = logging.getLogger(__name__)
_PART = "order gate"


class Capital(Protocol):
    """What the gate needs of the SharedCapitalManager."""

    def reserve(self, request: OrderRequest) -> Denial | None: ...

    def preview(self, request: OrderRequest) -> Denial | None: ...

    def give_back(self, client_order_id: str) -> None: ...

    def on_fill(self, fill: Fill, purpose: OrderPurpose) -> bool: ...

    def on_order(self, order: Order) -> None: ...

    def get_available_capital(self) -> Decimal: ...


class Risk(Protocol):
    """What the gate needs of the RiskManager."""

    def check(self, request: OrderRequest) -> Denial | None: ...

    def preview(self, request: OrderRequest) -> Denial | None: ...

    def snapshot(self) -> RiskSnapshot: ...


class OrderGate:
    """Subscribes `OrderRequest`, `Fill`, `Order`, and `Signal` for what led to a request."""

    def __init__(
        self,
        *,
        bus: EventBus,
        capital: Capital,
        risk: Risk,
        oms: OrderManagementSystem,
        clock: Clock,
        why_held: Callable[[], str] = lambda: "",
    ) -> None:
        """`why_held()`: why no entry may leave now (not reconciled, say), "" when it may."""
        self._bus = bus
        self._capital = capital
        self._risk = risk
        self._oms = oms
        self._clock = clock
        self._why_held = why_held
        self._is_behind = False  # the disk has refused something since the last `settle`
        self._signals: dict[tuple[str, str, str], Signal] = {}  # newest of each bot's symbol
        bus.subscribe(Signal, self._on_signal, part=_PART)
        bus.subscribe(OrderRequest, self._on_request, part=_PART)
        bus.subscribe(Fill, self._on_fill, part=_PART)
        bus.subscribe(Order, self._on_order, part=_PART)

    def settle(self) -> None:
        """Give the capital ledger what it has not had yet; once at start, before the first
        reconcile, and harmless at any time. Intents that never left end as denied. Raises
        sqlite3.Error while the disk refuses."""
        self._oms.deny_left_over()
        for fill in self._oms.fills_not_in_capital():
            self._book(fill)
        for order in self._oms.unsettled_orders():
            self._settle(order)
        self._is_behind = False

    async def amend(
        self,
        client_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> Denial | None:
        """Change a working order in its place; our own no, if there is one. What was reserved
        and checked for an entry is its bound: more than that is a new order. Raises as
        `OrderManagementSystem.amend`."""
        order = self._oms.order(client_order_id)
        request = self._oms.journal.request(client_order_id)
        if order is not None and request is not None and request.increases_risk:
            size = order.quantity if quantity is None else quantity
            at = request.reference_price if order.price is None else order.price
            wanted = size * (at if price is None else price)
            if wanted > request.notional:
                text = f"the change needs {wanted:f}, {request.notional:f} are reserved for it"
                return Denial("amend_above_reservation", text)
            held = self._why_held()
            if held:
                return Denial("not_ready", f"no entry is changed now: {held}")
        await self._oms.amend(client_order_id, quantity=quantity, price=price)
        return None

    def preview(self, request: OrderRequest) -> Denial | None:
        """What the road would say to it now; nothing is reserved, counted or written."""
        if request.increases_risk:
            denial = self._ready(request) or self._capital.preview(request)
            if denial is not None:
                return denial
        return self._risk.preview(request)

    # --- what led to it ---------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        self._signals[signal.account, signal.symbol, signal.bot_id] = signal

    def _cause_of(self, request: OrderRequest) -> list[TrailLine]:
        """The candle, the indicator values, the signal and the size behind a request; for the
        trader's own order the size alone."""
        signal = self._signals.get((request.account, request.symbol, request.bot_id))
        lines: list[TrailLine] = []
        if signal is not None and (signal.time_ms, signal.strategy) == (
            request.created_ms,
            request.strategy,
        ):
            opened = datetime.fromtimestamp(signal.candle_open_time_ms / 1000, tz=UTC)
            candle = f"opened {opened:%Y-%m-%d %H:%M} UTC, closed at {signal.reference_price}"
            seen = ", ".join(f"{name} {value:.6g}" for name, value in signal.evidence.items())
            words = {1: "long", -1: "short"}.get(signal.direction, "flat")
            lines = [
                TrailLine(signal.time_ms, "candle", candle),
                TrailLine(signal.time_ms, "indicators", seen),
                TrailLine(signal.time_ms, "signal", f"{words}: {signal.reason}"),
            ]
        size = f"{request.quantity} x {request.reference_price} = {request.notional:f}"
        size = f"{request.sizing}; {size}" if request.sizing else size
        lines.append(TrailLine(self._clock.time_ms(), "size", size))
        return lines

    # --- the way out ------------------------------------------------------------------------

    def _on_request(self, request: OrderRequest) -> None:
        if self._oms.order(request.client_order_id) is not None:
            self._tell(request, f"order {request.client_order_id} was asked for twice: sent once")
            return
        checks: list[TrailLine] = []
        with self._oms.journal.before_sending():
            try:
                self._oms.accept(request, self._cause_of(request))
            except sqlite3.Error as fault:
                # rule 1: what is not on disk does not leave
                self._refuse_unwritten(request, fault)
                return
            denial = self._check(request, checks)
        try:
            if denial is None:
                self._oms.submit(request, checks)
                return
            self._give_back(request)
            self._oms.deny(request, denial, checks)
        except sqlite3.Error as fault:
            self._give_back(request)
            log.error("order %s could not be journalled: %s", request.client_order_id, fault)
            self._tell(request, _unwritten(fault))
            self._oms.deny(request, Denial("journal", _unwritten(fault)), checks)

    def _give_back(self, request: OrderRequest) -> None:
        try:
            self._capital.give_back(request.client_order_id)
        except sqlite3.Error as fault:  # it ends as denied, and `settle` gives it back
            self._tell_behind(fault)

    def _check(self, request: OrderRequest, checks: list[TrailLine]) -> Denial | None:
        try:
            return self._checked(request, checks)
        except Exception as fault:
            # a check that breaks must not let an entry through, nor hold an exit back
            log.exception("a check of order %s failed", request.client_order_id)
            text = f"a check of the order failed ({type(fault).__name__}: {fault})"
            self._tell(request, text)
            checks.append(TrailLine(self._clock.time_ms(), "fault", text))
            return Denial("check_failed", text) if request.increases_risk else None

    def _checked(self, request: OrderRequest, checks: list[TrailLine]) -> Denial | None:
        if not self._oms.trades_on(request.account):
            return Denial("no_exchange", f"no exchange is connected for {request.account!r}")
        if request.purpose is not OrderPurpose.ENTRY and not request.reduce_only:
            return Denial("not_reduce_only", "an exit has to be reduce-only: it could open instead")
        if request.increases_risk:
            denial = self._ready(request)
            if denial is not None:
                return denial
            available = self._capital.get_available_capital()
            denial = self._capital.reserve(request)
            numbers = f"needs {request.notional:f}, {available:f} available"
            checks.append(self._step("capital", numbers, denial))
            if denial is not None:
                return denial
        denial = self._risk.check(request)
        checks.append(self._step("risk", self._risk_numbers(), denial))
        return denial

    def _ready(self, request: OrderRequest) -> Denial | None:
        held = self._why_held()
        if held:
            return Denial("not_ready", f"no entry leaves now: {held}")
        if not self._oms.is_position_clear(request.account, request.symbol):
            text = f"the exchange's word on {request.symbol} does not fit the fills yet"
            return Denial("position_unclear", text)
        unanswered = self._oms.unanswered_entry(request.account, request.symbol)
        if unanswered not in ("", request.client_order_id):
            text = f"nobody knows yet whether the entry {unanswered} was placed"
            return Denial("entry_unanswered", text)
        if request.stop_loss is None:
            return Denial("no_stop", "an entry needs a stop loss to rest at the exchange (rule 5)")
        return None

    def _risk_numbers(self) -> str:
        snapshot = self._risk.snapshot()
        limits = (
            f"{limit.name} {limit.used:.4g} of {limit.limit:.4g} {limit.unit}"
            for limit in snapshot.limits
        )
        return "; ".join([snapshot.state.value, *limits])

    def _step(self, name: str, numbers: str, denial: Denial | None) -> TrailLine:
        text = f"passed: {numbers}" if denial is None else f"denied: {denial.text} ({numbers})"
        return TrailLine(self._clock.time_ms(), name, text)

    def _refuse_unwritten(self, request: OrderRequest, fault: sqlite3.Error) -> None:
        log.error("order %s could not be journalled: %s", request.client_order_id, fault)
        text = _unwritten(fault)
        self._tell(request, text)
        self._bus.publish(
            Reject(
                client_order_id=request.client_order_id,
                account=request.account,
                bot_id=request.bot_id,
                symbol=request.symbol,
                side=request.side,
                quantity=request.quantity,
                code="journal",
                text=text,
                time_ms=self._clock.time_ms(),
            )
        )

    def _tell(self, request: OrderRequest, text: str) -> None:
        self._bus.publish(
            Error(
                part=_PART,
                text=text,
                time_ms=self._clock.time_ms(),
                severity=Severity.DANGER,
                bot_id=request.bot_id,
            )
        )

    # --- the way back -----------------------------------------------------------------------

    def _on_fill(self, fill: Fill) -> None:
        try:
            self._book(fill)
        except sqlite3.Error as fault:
            self._tell_behind(fault)

    def _on_order(self, order: Order) -> None:
        try:
            self._settle(order)
        except sqlite3.Error as fault:
            self._tell_behind(fault)

    def _book(self, fill: Fill) -> None:
        self._capital.on_fill(fill, self._oms.purpose_of(fill))
        self._oms.journal.mark_in_capital(fill)
        order = self._oms.order(fill.client_order_id)
        if order is not None:
            self._settle(order)

    def _settle(self, order: Order) -> None:
        """An end gives back what is left of the reservation, but not before every fill of it is
        booked: a message "filled" may overtake its own fills."""
        if not order.status.is_terminal or self._oms.order(order.client_order_id) is None:
            return
        if self._oms.is_fully_booked(order):
            self._capital.on_order(order)
            self._oms.journal.mark_settled(order.client_order_id)

    def _tell_behind(self, fault: sqlite3.Error) -> None:
        """The mark is missing, so the next reconciliation makes it good; told once until then."""
        if not self._is_behind:
            self._is_behind = True
            text = f"the capital ledger is behind, its disk refuses ({fault}); made good later"
            self._bus.publish(Error(_PART, text, self._clock.time_ms(), Severity.DANGER))


def _unwritten(fault: sqlite3.Error) -> str:
    return f"the order could not be written to disk ({fault}), so it was not sent"
