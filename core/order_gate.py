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
from decimal import Decimal
from typing import Protocol

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Reject, Severity
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest
from core.oms.intent_journal import TrailStep
from core.oms.order_management_system import OrderManagementSystem
from core.snapshots import RiskSnapshot

log = logging.getLogger(__name__)
_PART = "order gate"


class Capital(Protocol):
    """What the gate needs of the SharedCapitalManager."""

    def reserve(self, request: OrderRequest) -> Denial | None: ...

    def give_back(self, client_order_id: str) -> None: ...

    def on_fill(self, fill: Fill, purpose: OrderPurpose) -> bool: ...

    def on_order(self, order: Order) -> None: ...

    def get_available_capital(self) -> Decimal: ...


class Risk(Protocol):
    """What the gate needs of the RiskManager."""

    def check(self, request: OrderRequest) -> Denial | None: ...

    def snapshot(self) -> RiskSnapshot: ...


class OrderGate:
    """Subscribes `OrderRequest`, `Fill` and `Order`."""

    def __init__(
        self,
        *,
        bus: EventBus,
        capital: Capital,
        risk: Risk,
        oms: OrderManagementSystem,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._capital = capital
        self._risk = risk
        self._oms = oms
        self._clock = clock
        bus.subscribe(OrderRequest, self._on_request, part=_PART)
        bus.subscribe(Fill, self._on_fill, part=_PART)
        bus.subscribe(Order, self._on_order, part=_PART)

    def settle(self) -> None:
        """Give the capital ledger what it has not had yet; once at start, before the first
        reconcile, and harmless at any time. Intents that never left end as denied."""
        self._oms.deny_left_over()
        for fill in self._oms.fills_not_in_capital():
            self._on_fill(fill)
        for order in self._oms.unsettled_orders():
            self._on_order(order)

    # --- the way out ------------------------------------------------------------------------

    def _on_request(self, request: OrderRequest) -> None:
        if self._oms.order(request.client_order_id) is not None:
            self._tell(request, f"order {request.client_order_id} was asked for twice: sent once")
            return
        try:
            self._oms.accept(request)
        except sqlite3.Error as fault:
            # rule 1: what is not on disk does not leave
            self._refuse_unwritten(request, fault)
            return
        checks: list[TrailStep] = []
        denial = self._check(request, checks)
        try:
            if denial is None:
                self._oms.submit(request, checks)
                return
            self._capital.give_back(request.client_order_id)
            self._oms.deny(request, denial, checks)
        except sqlite3.Error as fault:
            self._capital.give_back(request.client_order_id)
            self._refuse_unwritten(request, fault)

    def _check(self, request: OrderRequest, checks: list[TrailStep]) -> Denial | None:
        try:
            return self._checked(request, checks)
        except Exception as fault:
            # a check that breaks must not let an entry through, nor hold an exit back
            log.exception("a check of order %s failed", request.client_order_id)
            text = f"a check of the order failed ({type(fault).__name__}: {fault})"
            self._tell(request, text)
            checks.append(TrailStep(self._clock.time_ms(), "fault", text))
            return Denial("check_failed", text) if request.increases_risk else None

    def _checked(self, request: OrderRequest, checks: list[TrailStep]) -> Denial | None:
        if not self._oms.trades_on(request.account):
            return Denial("no_exchange", f"no exchange is connected for {request.account!r}")
        if request.purpose is not OrderPurpose.ENTRY and not request.reduce_only:
            return Denial("not_reduce_only", "an exit has to be reduce-only: it could open instead")
        if request.increases_risk:
            available = self._capital.get_available_capital()
            denial = self._capital.reserve(request)
            numbers = f"needs {request.notional:f}, {available:f} available"
            checks.append(self._step("capital", numbers, denial))
            if denial is not None:
                return denial
        denial = self._risk.check(request)
        checks.append(self._step("risk", self._risk_numbers(), denial))
        return denial

    def _risk_numbers(self) -> str:
        snapshot = self._risk.snapshot()
        limits = (
            f"{limit.name} {limit.used:.4g} of {limit.limit:.4g} {limit.unit}"
            for limit in snapshot.limits
        )
        return "; ".join([snapshot.state.value, *limits])

    def _step(self, name: str, numbers: str, denial: Denial | None) -> TrailStep:
        text = f"passed: {numbers}" if denial is None else f"denied: {denial.text} ({numbers})"
        return TrailStep(self._clock.time_ms(), name, text)

    def _refuse_unwritten(self, request: OrderRequest, fault: sqlite3.Error) -> None:
        log.error("order %s could not be journalled: %s", request.client_order_id, fault)
        text = f"the order could not be written to disk ({fault}), so it was not sent"
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
        self._capital.on_fill(fill, self._oms.purpose_of(fill))
        self._oms.journal.mark_in_capital(fill)
        order = self._oms.order(fill.client_order_id)
        if order is not None:
            self._on_order(order)

    def _on_order(self, order: Order) -> None:
        """An end gives back what is left of the reservation, but not before every fill of it is
        booked: a message "filled" may overtake its own fills."""
        if not order.status.is_terminal or self._oms.order(order.client_order_id) is None:
            return
        if self._oms.is_fully_booked(order):
            self._capital.on_order(order)
            self._oms.journal.mark_settled(order.client_order_id)
