"""Bugs on purpose, each switched on alone: the harness has to find them, or it proves nothing.

None of this is in the program: a bug replaces one method while it is switched on. One line in
`BUGS` names it, says what it is in one sentence, and how it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import NamedTuple

from app.chaos import bug_makers as makers
from app.chaos.bug_makers import Plant
from core.account_desk import AccountDesk
from core.bots.bot_account import BotAccount
from core.bots.roster import BotRoster
from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock_watch import InStep
from core.exchange_port import DuplicateOrder, OutcomeUnknown, RateLimited
from core.market_feed import MarketFeed
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
from core.risk.rules.daily_loss import DailyLossRule
from core.risk.rules.drawdown import DrawdownRule
from core.risk.rules.largest_position import LargestPositionRule
from core.risk.rules.orders_per_minute import OrdersPerMinuteRule
from core.risk.rules.stale_price import StalePriceRule
from core.silence_watch import SilenceWatch
from core.stand_down import StandDown

IDENTITY = "identity"


class Bug(NamedTuple):
    """`family` IDENTITY: duplicates and orphans, of which every one has to be found. `scans`: one
    of the bot that scans."""

    sentence: str
    plant: Plant
    family: str = ""
    scans: bool = False


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With that bug in the engine; "" is none. Raises KeyError for a name that is not in BUGS."""
    with ExitStack() as undo:
        if name:
            BUGS[name].plant(undo)
        yield


_OMS = OrderManagementSystem
BUGS = {
    "resend_same_id": Bug(
        "a time-out is answered by sending the same request again, with the same id",
        makers.instead(_OMS, "_on_fault", makers.resend_at_once),
        IDENTITY,
    ),
    "time_out_is_no": Bug(
        "a time-out counts as the exchange's no",
        makers.instead(_OMS, "_on_fault", makers.time_out_is_no),
        IDENTITY,
    ),
    "no_proof_of_absence": Bug(
        "an order that is not found once counts as never arrived",
        makers.instead(_OMS, "__init__", makers.no_proof_of_absence),
        IDENTITY,
    ),
    "transport_error_is_not_found": Bug(
        "a question that failed in transport counts as 'not found'",
        makers.instead(_OMS, "_probe_once", makers.transport_error_is_not_found),
        IDENTITY,
    ),
    "duplicate_answer_is_no": Bug(
        "the answer 'this id exists' counts as a rejection",
        makers.table_entry(DuplicateOrder, outcomes.WhatFollows.END),
        IDENTITY,
    ),
    "ambiguous_is_definite": Bug(
        "every answer that is not a yes is final",
        makers.table_entry(OutcomeUnknown, outcomes.WhatFollows.END),
        IDENTITY,
    ),
    "restart_forgets_orders": Bug(
        "a restart does not take up the orders that had not ended",
        makers.instead(IntentJournal, "unresolved", makers.returns([])),
        IDENTITY,
    ),
    "second_entry_on_the_way": Bug(
        "a second entry is asked for while the first is on its way",
        makers.instead(PortfolioManager, "_on_signal", makers.forgets_what_is_on_its_way),
        IDENTITY,
    ),
    "unclear_position_is_flat": Bug(
        "an entry is made while message and fills of the position differ",
        makers.instead(_OMS, "is_position_clear", makers.returns(True)),
        IDENTITY,
    ),
    "cancelled_when_asked": Bug(
        "an order counts as cancelled as soon as its cancel was asked for",
        makers.instead(OrderChanges, "cancel", makers.cancelled_when_asked),
        IDENTITY,
    ),
    "empty_answer_is_flat": Bug(
        "a position that one answer leaves out is flat",
        makers.both(
            makers.instead(StateManager, "replace_positions", makers.reads_as_flat),
            makers.instead(Reconciler, "_vanished", makers.returns([])),
        ),
        IDENTITY,
    ),
    "late_message_wins": Bug(
        "a position message counts by its arrival, not by its time",
        makers.instead(StateManager, "on_position", makers.newest_message_wins),
        IDENTITY,
    ),
    "owner_forgotten": Bug(
        "nobody knows whose position it is",
        makers.instead(BotRoster, "owner_of", makers.returns("")),
        IDENTITY,
    ),
    "external_not_told": Bug(
        "trades by hand at the exchange are not told to anybody",
        makers.instead(OrderRegistry, "tell_external", makers.returns(None)),
    ),
    "no_reconciliation": Bug(
        "after the start nobody compares with the exchange any more",
        makers.instead(AccountDesk, "refresh", makers.async_returns(None)),
    ),
    "old_fills_not_asked_for": Bug(
        "only fills since just now are asked for",
        makers.instead(IntentJournal, "watermark", makers.only_from_now_on),
    ),
    "fill_booked_twice": Bug(
        "a fill that comes twice is booked twice",
        makers.instead(OrderRegistry, "book", makers.every_delivery_is_new),
    ),
    "second_fill_lost": Bug(
        "of an order that fills in parts only the first part is booked",
        makers.instead(OrderRegistry, "book", makers.first_fill_of_an_order_only),
    ),
    "fees_not_booked": Bug(
        "the ledger forgets fees",
        makers.instead(SharedCapitalManager, "on_fill", makers.ledger_sees(fee=Decimal(0))),
    ),
    "funding_not_booked": Bug(
        "funding is not booked",
        makers.instead(OrderRegistry, "book", makers.no_funding),
    ),
    "reservation_kept": Bug(
        "an order that has ended does not give its reservation back",
        makers.instead(SharedCapitalManager, "on_order", makers.returns(None)),
    ),
    "nothing_reserved": Bug(
        "capital is not reserved for orders",
        makers.instead(SharedCapitalManager, "reserve", makers.returns(None)),
    ),
    "six_times_the_size": Bug(
        "the order that leaves is six times the one that was checked",
        makers.instead(_OMS, "submit", makers.six_times_the_size),
    ),
    "entry_without_stop": Bug(
        "entries leave without their stop",
        makers.instead(_OMS, "submit", makers.with_request(stop_loss=None)),
    ),
    "guard_asleep": Bug(
        "nobody looks whether stops rest",
        makers.instead(ProtectionGuard, "look", makers.returns(None)),
    ),
    "every_position_protected": Bug(
        "every position counts as protected",
        makers.instead(StateManager, "is_protected", makers.returns(True)),
    ),
    "exits_may_open": Bug(
        "exits leave without reduce-only",
        makers.instead(_OMS, "submit", makers.with_request(reduce_only=False)),
    ),
    "halt_blocks_exits": Bug(
        "a halted risk manager denies exits too",
        makers.instead(RiskManager, "check", makers.halt_blocks_exits),
    ),
    "manual_orders_pass": Bug(
        "risk is not asked about orders by hand",
        makers.instead(RiskManager, "check", makers.manual_orders_pass),
    ),
    "risk_never_asked": Bug(
        "risk lets every order pass",
        makers.instead(RiskManager, "check", makers.returns(None)),
    ),
    "kill_forgotten": Bug(
        "a restart forgets the kill switch",
        makers.instead(RiskStateStore, "load", makers.returns(RiskState())),
    ),
    "kill_cancels_nothing": Bug(
        "the kill switch leaves entries working",
        makers.instead(StandDown, "_entries", makers.returns([])),
    ),
    "exit_tried_once": Bug(
        "a close that was refused or found nobody is not tried again",
        makers.instead(PositionCloser, "look", makers.returns(None)),
    ),
    "enters_blind": Bug(
        "entries are made though the orders stream is lost",
        makers.both(
            makers.instead(AccountDesk, "_why_held", makers.returns("")),
            makers.instead(AccountDesk, "_not_ready", makers.returns(None)),
        ),
    ),
    "sleep_not_noticed": Bug(
        "orders leave after a sleep before the books were read",
        makers.instead(InStep, "look", makers.returns(None)),
    ),
    "clock_never_corrected": Bug(
        "the exchange's clock is measured, and nothing done about it",
        makers.instead(AccountDesk, "_set_clock", makers.async_returns(None)),
    ),
    "wait_ignored": Bug(
        "a limiter's wait is not waited for",
        makers.instead(RateLimited, "__init__", makers.ignores_the_wait),
    ),
    "holes_stay": Bug(
        "a bar that was missed is never fetched",
        makers.instead(MarketFeed, "_repair", makers.returns(None)),
    ),
    "ledger_never_settled": Bug(
        "what a full disk or a crash kept from the ledger stays missing",
        makers.instead(OrderGate, "settle", makers.returns(None)),
    ),
    "orders_stream_unread": Bug(
        "what the exchange says of orders is not taken in",
        makers.instead(OrderRegistry, "hear", makers.returns(None)),
    ),
    "daily_loss_ignored": Bug(
        "a day may lose whatever it loses",
        makers.instead(DailyLossRule, "breach", makers.returns("")),
    ),
    "drawdown_ignored": Bug(
        "a drawdown closes nothing",
        makers.instead(DrawdownRule, "breach", makers.returns("")),
    ),
    "locked_day_resumed": Bug(
        "a day whose loss limit is broken may be resumed",
        makers.instead(RiskManager, "_on_breach", makers.breach_locks_no_day),
    ),
    "rate_not_limited": Bug(
        "any number of orders may leave within a minute",
        makers.instead(OrdersPerMinuteRule, "deny", makers.returns(None)),
    ),
    "size_not_limited": Bug(
        "one symbol may hold any part of the equity",
        makers.instead(LargestPositionRule, "deny", makers.returns(None)),
    ),
    "old_price_is_price": Bug(
        "a price counts however old it is",
        makers.instead(StalePriceRule, "deny", makers.returns(None)),
    ),
    "moved_stop_forgotten": Bug(
        "a stop that the trader has moved is set again where it was",
        makers.instead(IntentJournal, "keep_stop", makers.returns(None)),
    ),
    "stop_cancelled_first": Bug(
        "a stop is cancelled before the new one stands",
        makers.instead(ProtectionGuard, "move", makers.stop_cancelled_first),
    ),
    "taken_over_unguarded": Bug(
        "a position is taken over without a stop",
        makers.instead(ProtectionGuard, "adopt", makers.async_returns(None)),
    ),
    "change_unknown_is_yes": Bug(
        "an amendment that nobody answered counts as done",
        makers.instead(OrderChanges, "_ask_for_terms", makers.async_returns(None)),
    ),
    "change_unchecked": Bug(
        "an amendment may take more than was reserved for its order",
        makers.instead(OrderGate, "amend", makers.unchecked_change),
    ),
    "released_twice": Bug(
        "the end of an order releases the position's capital too",
        makers.instead(SharedCapitalManager, "on_order", makers.released_twice),
    ),
    "close_forgets_entries": Bug(
        "a close does not wait for what is still on its way",
        makers.instead(PositionCloser, "close", makers.only_what_is_open),
    ),
    "silence_not_noticed": Bug(
        "a stream that has swallowed something is believed until the next reconciliation",
        makers.instead(SilenceWatch, "look", makers.returns(False)),
    ),
    "scanner_counts_nothing": Bug(
        "a bot that scans does not know what it has entered",
        makers.instead(BotAccount, "engaged", makers.returns(frozenset())),
        scans=True,
    ),
    "scanner_counts_positions_only": Bug(
        "a bot that scans forgets its entries on their way",
        makers.instead(BotAccount, "_busy_symbols", makers.symbols_held),
        scans=True,
    ),
}
