"""Bugs on purpose, each switched on alone: the harness has to find them, or it proves nothing.

None of this is in the program: a bug replaces one method while it is switched on. One line in
`BUGS` names it, says what it is in one sentence, and how it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from core.account_desk import AccountDesk
from core.bots.roster import BotRoster
from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock_watch import InStep
from core.exchange_port import DuplicateOrder, ExchangeError, OutcomeUnknown, RateLimited
from core.market_feed import MarketFeed
from core.models.fills import Fill, FillKind
from core.models.orders import Denial, Order, OrderRequest, OrderStatus
from core.oms import outcomes
from core.oms.intent_journal import IntentJournal
from core.oms.order_changes import OrderChanges
from core.oms.order_management_system import OrderManagementSystem
from core.oms.order_registry import OrderRegistry
from core.oms.reconciliation import Reconciler
from core.oms.state_manager import StateManager
from core.order_gate import OrderGate
from core.portfolio.portfolio_manager import PortfolioManager
from core.position_closer import PositionCloser
from core.protection import ProtectionGuard
from core.risk.risk_manager import RiskManager
from core.risk.risk_state import RiskState, RiskStateStore
from core.stand_down import StandDown

Plant = Callable[[ExitStack], None]


IDENTITY = "identity"


class Bug(NamedTuple):
    """`family` IDENTITY: duplicates and orphans, of which every one has to be found."""

    sentence: str
    plant: Plant
    family: str = ""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With that bug in the engine; "" is none. Raises KeyError for a name that is not in BUGS."""
    with ExitStack() as undo:
        if name:
            BUGS[name].plant(undo)
        yield


def _instead(owner: Any, name: str, make: Callable[[Any], Any]) -> Plant:
    """Replace `owner.name` by `make(original)`. The original has to exist: a bug that no longer
    fits the program fails aloud."""

    def plant(undo: ExitStack) -> None:
        original = getattr(owner, name)
        undo.callback(setattr, owner, name, original)
        setattr(owner, name, make(original))

    return plant


def _returns(value: Any) -> Callable[[Any], Any]:
    return lambda _: lambda *_args, **_more: value


def _async_returns(value: Any) -> Callable[[Any], Any]:
    async def answer(*_args: Any, **_more: Any) -> Any:
        return value

    return lambda _: answer


def _with_request(**changes: Any) -> Callable[[Any], Any]:
    """For `submit`: the request leaves changed."""

    def make(original: Any) -> Any:
        def submit(self: Any, request: OrderRequest, *rest: Any) -> None:
            original(self, msgspec.structs.replace(request, **changes), *rest)

        return submit

    return make


# ---- what the bugs do


def _resend_at_once(original: Any) -> Any:
    def on_fault(self: Any, client_order_id: str, fault: Exception) -> Any:
        if isinstance(fault, OutcomeUnknown):
            return RateLimited(fault.text, retry_after_s=0.5)
        return original(self, client_order_id, fault)

    return on_fault


def _time_out_is_no(original: Any) -> Any:
    def on_fault(self: Any, client_order_id: str, fault: Exception) -> Any:
        if isinstance(fault, OutcomeUnknown):
            self._reject(client_order_id, fault)
            return None
        return original(self, client_order_id, fault)

    return on_fault


def _no_proof_of_absence(original: Any) -> Any:
    def init(self: Any, **parts: Any) -> None:
        original(self, **parts | {"absence_proof_s": 0.0})

    return init


def _transport_error_is_not_found(original: Any) -> Any:
    async def probe_once(self: Any, order: Order) -> None:
        try:
            await self._ports[order.account].fetch_order(order.symbol, order.client_order_id)
        except ExchangeError:
            known = self._registry.order(order.client_order_id)
            if known is not None and known.status in (OrderStatus.SENT, OrderStatus.UNKNOWN):
                self._reject(order.client_order_id, OutcomeUnknown("not found"))
            return
        await original(self, order)

    return probe_once


def _table_entry(kind: type[Exception], follows: outcomes.WhatFollows) -> Plant:
    def plant(undo: ExitStack) -> None:
        table = outcomes._TABLE
        undo.callback(table.__setitem__, kind, table[kind])
        table[kind] = follows

    return plant


def _every_delivery_is_new(original: Any) -> Any:
    seen: Counter[str] = Counter()

    def book(self: Any, fill: Fill) -> None:
        seen[fill.trade_id] += 1
        again = f"{fill.trade_id}/{seen[fill.trade_id]}"
        original(self, msgspec.structs.replace(fill, trade_id=again))

    return book


def _ledger_sees(**changes: Any) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def on_fill(self: Any, fill: Fill, purpose: Any) -> Any:
            return original(self, msgspec.structs.replace(fill, **changes), purpose)

        return on_fill

    return make


def _no_funding(original: Any) -> Any:
    def book(self: Any, fill: Fill) -> None:
        if fill.kind is not FillKind.FUNDING:
            original(self, fill)

    return book


def _first_fill_of_an_order_only(original: Any) -> Any:
    def book(self: Any, fill: Fill) -> None:
        known = self._find(fill.account, fill.client_order_id, fill.exchange_order_id)
        if known is None or self._journal.totals_of(known.client_order_id).quantity == 0:
            original(self, fill)

    return book


def _cancelled_when_asked(original: Any) -> Any:
    async def cancel(self: Any, account: str, symbol: str, name: str, exchange_id: str) -> None:
        with suppress(ExchangeError):
            await original(self, account, symbol, name, exchange_id)
        known = self._registry.order(name) if name else None
        if known is not None and not known.status.is_terminal and known.exchange_order_id:
            ended = msgspec.structs.replace(known, status=OrderStatus.CANCELLED)
            self._registry.hear(ended)

    return cancel


def _reads_as_flat(original: Any) -> Any:
    def replace_positions(self: Any, account: str, positions: Any, as_of_ms: int) -> None:
        named = {position.symbol for position in positions}
        original(self, account, positions, as_of_ms)
        for known in self.positions(account):
            if known.symbol not in named:
                self.flatten(account, known.symbol)

    return replace_positions


def _newest_message_wins(_: Any) -> Any:
    def on_position(self: Any, position: Any) -> None:
        self._positions[(position.account, position.symbol)] = position

    return on_position


def _halt_blocks_exits(original: Any) -> Any:
    def check(self: Any, request: OrderRequest) -> Denial | None:
        state, reason = self._trading_state()
        if request.reduce_only and state.value != "active":
            return Denial("halted", reason)
        denial: Denial | None = original(self, request)
        return denial

    return check


def _manual_orders_pass(original: Any) -> Any:
    def check(self: Any, request: OrderRequest) -> Denial | None:
        if request.strategy == "manual":
            return None
        denial: Denial | None = original(self, request)
        return denial

    return check


def _forgets_what_is_on_its_way(original: Any) -> Any:
    def on_signal(self: Any, signal: Any) -> None:
        self._on_their_way.clear()
        original(self, signal)

    return on_signal


def _ignores_the_wait(original: Any) -> Any:
    def init(self: Any, text: str, code: str = "", retry_after_s: float = 1.0) -> None:
        original(self, text, code, retry_after_s)
        self.retry_after_s = 0.0

    return init


def _only_from_now_on(_: Any) -> Any:
    return lambda _self, _account, now_ms: (now_ms, now_ms)


def _six_times_the_size(original: Any) -> Any:
    def submit(self: Any, request: OrderRequest, *rest: Any) -> None:
        size = request.quantity * (6 if not request.reduce_only else 1)
        original(self, msgspec.structs.replace(request, quantity=size), *rest)

    return submit


def _both(*plants: Plant) -> Plant:
    def plant(undo: ExitStack) -> None:
        for each in plants:
            each(undo)

    return plant


_OMS = OrderManagementSystem
BUGS = {
    "resend_same_id": Bug(
        "a time-out is answered by sending the same request again, with the same id",
        _instead(_OMS, "_on_fault", _resend_at_once),
        IDENTITY,
    ),
    "time_out_is_no": Bug(
        "a time-out counts as the exchange's no",
        _instead(_OMS, "_on_fault", _time_out_is_no),
        IDENTITY,
    ),
    "no_proof_of_absence": Bug(
        "an order that is not found once counts as never arrived",
        _instead(_OMS, "__init__", _no_proof_of_absence),
        IDENTITY,
    ),
    "transport_error_is_not_found": Bug(
        "a question that failed in transport counts as 'not found'",
        _instead(_OMS, "_probe_once", _transport_error_is_not_found),
        IDENTITY,
    ),
    "duplicate_answer_is_no": Bug(
        "the answer 'this id exists' counts as a rejection",
        _table_entry(DuplicateOrder, outcomes.WhatFollows.END),
        IDENTITY,
    ),
    "ambiguous_is_definite": Bug(
        "every answer that is not a yes is final",
        _table_entry(OutcomeUnknown, outcomes.WhatFollows.END),
        IDENTITY,
    ),
    "restart_forgets_orders": Bug(
        "a restart does not take up the orders that had not ended",
        _instead(IntentJournal, "unresolved", _returns([])),
        IDENTITY,
    ),
    "second_entry_on_the_way": Bug(
        "a second entry is asked for while the first is on its way",
        _instead(PortfolioManager, "_on_signal", _forgets_what_is_on_its_way),
        IDENTITY,
    ),
    "unclear_position_is_flat": Bug(
        "an entry is made while message and fills of the position differ",
        _instead(_OMS, "is_position_clear", _returns(True)),
        IDENTITY,
    ),
    "cancelled_when_asked": Bug(
        "an order counts as cancelled as soon as its cancel was asked for",
        _instead(OrderChanges, "cancel", _cancelled_when_asked),
        IDENTITY,
    ),
    "empty_answer_is_flat": Bug(
        "a position that one answer leaves out is flat",
        _both(
            _instead(StateManager, "replace_positions", _reads_as_flat),
            _instead(Reconciler, "_vanished", _returns([])),
        ),
        IDENTITY,
    ),
    "late_message_wins": Bug(
        "a position message counts by its arrival, not by its time",
        _instead(StateManager, "on_position", _newest_message_wins),
        IDENTITY,
    ),
    "owner_forgotten": Bug(
        "nobody knows whose position it is",
        _instead(BotRoster, "owner_of", _returns("")),
        IDENTITY,
    ),
    "external_not_told": Bug(
        "trades by hand at the exchange are not told to anybody",
        _instead(OrderRegistry, "tell_external", _returns(None)),
    ),
    "no_reconciliation": Bug(
        "after the start nobody compares with the exchange any more",
        _instead(AccountDesk, "refresh", _async_returns(None)),
    ),
    "old_fills_not_asked_for": Bug(
        "only fills since just now are asked for",
        _instead(IntentJournal, "watermark", _only_from_now_on),
    ),
    "fill_booked_twice": Bug(
        "a fill that comes twice is booked twice",
        _instead(OrderRegistry, "book", _every_delivery_is_new),
    ),
    "second_fill_lost": Bug(
        "of an order that fills in parts only the first part is booked",
        _instead(OrderRegistry, "book", _first_fill_of_an_order_only),
    ),
    "fees_not_booked": Bug(
        "the ledger forgets fees",
        _instead(SharedCapitalManager, "on_fill", _ledger_sees(fee=Decimal(0))),
    ),
    "funding_not_booked": Bug(
        "funding is not booked",
        _instead(OrderRegistry, "book", _no_funding),
    ),
    "reservation_kept": Bug(
        "an order that has ended does not give its reservation back",
        _instead(SharedCapitalManager, "on_order", _returns(None)),
    ),
    "nothing_reserved": Bug(
        "capital is not reserved for orders",
        _instead(SharedCapitalManager, "reserve", _returns(None)),
    ),
    "six_times_the_size": Bug(
        "the order that leaves is six times the one that was checked",
        _instead(_OMS, "submit", _six_times_the_size),
    ),
    "entry_without_stop": Bug(
        "entries leave without their stop",
        _instead(_OMS, "submit", _with_request(stop_loss=None)),
    ),
    "guard_asleep": Bug(
        "nobody looks whether stops rest",
        _instead(ProtectionGuard, "look", _returns(None)),
    ),
    "every_position_protected": Bug(
        "every position counts as protected",
        _instead(StateManager, "is_protected", _returns(True)),
    ),
    "exits_may_open": Bug(
        "exits leave without reduce-only",
        _instead(_OMS, "submit", _with_request(reduce_only=False)),
    ),
    "halt_blocks_exits": Bug(
        "a halted risk manager denies exits too",
        _instead(RiskManager, "check", _halt_blocks_exits),
    ),
    "manual_orders_pass": Bug(
        "risk is not asked about orders by hand",
        _instead(RiskManager, "check", _manual_orders_pass),
    ),
    "risk_never_asked": Bug(
        "risk lets every order pass",
        _instead(RiskManager, "check", _returns(None)),
    ),
    "kill_forgotten": Bug(
        "a restart forgets the kill switch",
        _instead(RiskStateStore, "load", _returns(RiskState())),
    ),
    "kill_cancels_nothing": Bug(
        "the kill switch leaves entries working",
        _instead(StandDown, "_entries", _returns([])),
    ),
    "exit_tried_once": Bug(
        "a close that was refused or found nobody is not tried again",
        _instead(PositionCloser, "look", _returns(None)),
    ),
    "enters_blind": Bug(
        "entries are made though the orders stream is lost",
        _both(
            _instead(AccountDesk, "_why_held", _returns("")),
            _instead(AccountDesk, "_not_ready", _returns(None)),
        ),
    ),
    "sleep_not_noticed": Bug(
        "orders leave after a sleep before the books were read",
        _instead(InStep, "look", _returns(None)),
    ),
    "clock_never_corrected": Bug(
        "the exchange's clock is measured, and nothing done about it",
        _instead(AccountDesk, "_set_clock", _async_returns(None)),
    ),
    "wait_ignored": Bug(
        "a limiter's wait is not waited for",
        _instead(RateLimited, "__init__", _ignores_the_wait),
    ),
    "holes_stay": Bug(
        "a bar that was missed is never fetched",
        _instead(MarketFeed, "_repair", _returns(None)),
    ),
    "ledger_never_settled": Bug(
        "what a full disk or a crash kept from the ledger stays missing",
        _instead(OrderGate, "settle", _returns(None)),
    ),
    "orders_stream_unread": Bug(
        "what the exchange says of orders is not taken in",
        _instead(OrderRegistry, "hear", _returns(None)),
    ),
}
