"""The last gate of every order (spec M4): asks the rules, holds the kill switch.

Whoever asks, a bot or the trader by hand, and whatever the order says of its purpose: what is not
reduce-only may open a position, and is asked about by every rule.

Three states. ACTIVE: all orders. REDUCING: exits only, for a reason that passes (cool-down, a
ledger that does not add up). HALTED: the kill switch; exits still pass, and only an explicit
resume ends it, over any number of restarts.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Collection

import msgspec

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Severity
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest, OrderStatus
from core.risk.risk_state import RiskState, RiskStateStore
from core.risk.rule import MarketPrice, RiskFacts, RiskLimits, Rule, SymbolLimits
from core.risk.rules import RULES
from core.snapshots import RiskSnapshot, TradingState
from core.storage.reserved_file import ReservedFile

__all__ = ["MarketPrice", "ResumeRefused", "RiskLimits", "RiskManager", "SymbolLimits"]

log = logging.getLogger(__name__)
_PART = "risk"
_MINUTE_S = 60.0
_LIQUIDATE_EVERY_S = 5.0  # real seconds between two looks at what is still open
_STATE_LOST = "The risk state was missing on disk; trading waits until you resume it."


class ResumeRefused(Exception):
    """Trading cannot be resumed yet; the text says why and until when."""


class RiskManager:
    """Used on the engine's loop only. State lives in `database`. `limits` may be replaced at any
    time; the next question is answered by the new ones."""

    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        capital: SharedCapitalManager,
        database: sqlite3.Connection,
        limits: RiskLimits,
        on_liquidate: Callable[[str], Collection[str] | None],
        on_kill: Callable[[str], None],
        market_price: Callable[[str], MarketPrice | None] | None = None,
        reserve: ReservedFile | None = None,
    ) -> None:
        """`on_kill(reason)` has to stop bots and cancel working orders, `on_liquidate(reason)`
        to close every position and to return the symbols that are still open (None: it does not
        know); it is called every few seconds until trading is resumed, so an exit that failed is
        tried again and a late fill is closed too. Both must bear being called again, for a kill
        found on disk is carried out once more. `market_price(symbol)` is the newest price, None
        before the first one; without it the rules about prices cannot be asked. `reserve` keeps
        room for the state on a full disk.
        Raises sqlite3.Error, msgspec.ValidationError."""
        self.limits = limits
        self._bus = bus
        self._clock = clock
        self._capital = capital
        self._on_liquidate = on_liquidate
        self._on_kill = on_kill
        self._market_price = market_price
        self._store = RiskStateStore(database, reserve)
        self._state = self._store.load() or RiskState(
            halted_since_ms=clock.time_ms(), code="state_lost", reason=_STATE_LOST
        )
        self._has_killed = False  # in this run of the program
        self._liquidate_next_s = clock.monotonic_s()
        self._still_open: list[str] = []
        self._order_times_s: deque[float] = deque()
        self._cool_until_s = clock.monotonic_s()
        self._failed_in_a_row = 0
        bus.subscribe(Order, self._on_order, part=_PART)

    def check(self, request: OrderRequest) -> Denial | None:
        """May this order be sent? One that only reduces always may. An order let through counts
        for the rate and, if it may open a position, for the average size."""
        if request.reduce_only:
            self._order_times_s.append(self._clock.monotonic_s())
            return None
        denial = self._denial(request)
        if denial is None:
            self._order_times_s.append(self._clock.monotonic_s())
            newest = [*self._state.recent_notionals, request.notional]
            self._change(recent_notionals=newest[-self.limits.order_average_of :])
        return denial

    def preview(self, request: OrderRequest) -> Denial | None:
        """What `check` would say; nothing is counted, and nobody is alerted."""
        if request.reduce_only:
            return None
        refused = self._refused_by(request)
        return refused[1] if refused is not None else None

    def evaluate(self) -> None:
        """Ask the rules about the account as a whole. Cheap: call it at each change of equity,
        and every second whatever the market does."""
        self._capital.probe()
        if self._state.halted_since_ms is not None and not self._has_killed:
            self._has_killed = True
            self._on_kill(self._state.reason)
        facts = self._facts()
        for rule in RULES:
            reason = rule.breach(facts)
            if reason:
                self._on_breach(rule, reason, facts.capital.day_start_ms)
        if self._state.is_liquidating:
            self._liquidate()

    def trip(self, reason: str) -> None:
        """Pull the kill switch. Harmless when it is pulled already."""
        self._halt("kill_switch", reason, {})

    def resume(self) -> None:
        """End the kill switch: the trader's explicit word. After a liquidation drawdown counts
        anew from today's equity. Raises ResumeRefused on the day whose loss broke the limit."""
        figures = self._capital.figures()
        locked_day_ms = self._state.locked_day_ms
        if locked_day_ms is not None and figures.day_start_ms <= locked_day_ms:
            raise ResumeRefused("Today's loss limit is broken; trading can be resumed tomorrow.")
        if self._state.is_liquidating:
            self._capital.reset_peak()
        self._change(
            halted_since_ms=None,
            code="",
            reason="",
            locked_day_ms=None,
            is_liquidating=False,
            answers=[],
        )
        self._liquidate_next_s = self._clock.monotonic_s()
        self._still_open = []

    def record_kill_answer(self, text: str) -> None:
        """What became of the kill ("Bybit: 3 of 3 cancelled"), shown beside it."""
        self._change(answers=[*self._state.answers, text])

    def snapshot(self) -> RiskSnapshot:
        facts = self._facts()
        state, reason = self._trading_state()
        bars = (rule.bar(facts) for rule in RULES)
        return RiskSnapshot(
            state=state,
            reason=reason,
            limits=[bar for bar in bars if bar is not None],
            kill_switch_since_ms=self._state.halted_since_ms,
            kill_switch_answers=self._state.answers,
        )

    def _on_order(self, order: Order) -> None:
        """What became of an entry; exits are asked again by whoever needs them."""
        if order.purpose is not OrderPurpose.ENTRY:
            return
        if order.status is OrderStatus.REJECTED:
            self._failed_in_a_row += 1
        elif order.status is OrderStatus.ACKNOWLEDGED or order.filled_quantity > 0:
            self._failed_in_a_row = 0

    def _denial(self, request: OrderRequest) -> Denial | None:
        self.evaluate()
        refused = self._refused_by(request)
        if refused is None:
            return None
        rule, denial = refused
        if rule is not None:
            self._on_denial(rule, request, denial)
        return denial

    def _refused_by(self, request: OrderRequest) -> tuple[Rule | None, Denial] | None:
        """The first no, and the rule that says it; None where the state does."""
        state, reason = self._trading_state()
        if state is TradingState.HALTED:
            return None, Denial(self._state.code, f"trading is halted: {reason}")
        if state is TradingState.REDUCING:
            return None, Denial("reducing", f"exits only: {reason}")
        facts = self._facts(request)
        for rule in RULES:
            denial = rule.deny(request, facts)
            if denial is not None:
                return rule, denial
        return None

    def _liquidate(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._liquidate_next_s:
            self._liquidate_next_s = now_s + _LIQUIDATE_EVERY_S
            self._still_open = sorted(self._on_liquidate(self._state.reason) or ())

    def _on_denial(self, rule: Rule, request: OrderRequest, denial: Denial) -> None:
        if rule.pauses:
            self._cool_until_s = self._clock.monotonic_s() + self.limits.cool_down_s
            self._failed_in_a_row = 0
        if rule.alerts:
            text = f"{request.symbol}: {denial.text}"
            self._publish(text, Severity.WARNING, request.bot_id)

    def _on_breach(self, rule: Rule, reason: str, day_start_ms: int) -> None:
        changes: dict[str, object] = {}
        if rule.holds_for_the_day and self._state.locked_day_ms != day_start_ms:
            changes["locked_day_ms"] = day_start_ms
        if rule.closes_everything and not self._state.is_liquidating:
            changes.update(is_liquidating=True, code=rule.name, reason=reason)
        self._halt(rule.name, reason, changes)

    def _halt(self, code: str, reason: str, changes: dict[str, object]) -> None:
        """One durable change, then the deed."""
        if self._state.halted_since_ms is not None:
            if changes:
                self._change(**changes)
            return
        halted = {"halted_since_ms": self._clock.time_ms(), "code": code, "reason": reason}
        self._change(**halted, **{k: v for k, v in changes.items() if k not in halted})
        self._publish(reason, Severity.DANGER)
        self._has_killed = True
        self._on_kill(reason)

    def _trading_state(self) -> tuple[TradingState, str]:
        if self._state.halted_since_ms is not None:
            still_open = f" Still open: {', '.join(self._still_open)}." if self._still_open else ""
            return TradingState.HALTED, self._state.reason + still_open
        if not self._capital.is_sound:
            return TradingState.REDUCING, f"The capital ledger is at fault: {self._capital.fault}."
        left_s = self._cool_until_s - self._clock.monotonic_s()
        if left_s > 0:
            return TradingState.REDUCING, f"Entries pause and go on in {left_s:.0f} s."
        return TradingState.ACTIVE, ""

    def _facts(self, request: OrderRequest | None = None) -> RiskFacts:
        now_s = self._clock.monotonic_s()
        while self._order_times_s and self._order_times_s[0] <= now_s - _MINUTE_S:
            self._order_times_s.popleft()
        facts = RiskFacts(
            limits=self.limits,
            capital=self._capital.figures(),
            cap_ratio=self._capital.cap_ratio,
            recent_notionals=self._state.recent_notionals,
            orders_last_minute=len(self._order_times_s),
            failed_in_a_row=self._failed_in_a_row,
        )
        if request is None:
            return facts
        order_id, price_of = request.client_order_id, self._market_price
        return msgspec.structs.replace(
            facts,
            held_by_symbol=self._capital.committed_to(request.symbol, except_order=order_id),
            held_in_all=facts.capital.committed - self._capital.reserved_by(order_id),
            price=price_of(request.symbol) if price_of is not None else None,
            follows_prices=price_of is not None,
        )

    def _change(self, **changes: object) -> None:
        """Durable first. When the disk refuses, the change holds in memory and on the reserved
        page: a kill switch must work on a full disk too (the ledger then refuses entries by
        itself)."""
        self._state = msgspec.structs.replace(self._state, **changes)
        try:
            self._store.save(self._state)
        except (sqlite3.Error, OSError) as error:
            log.error("risk state could not be written: %s", error)
            self._publish(f"The risk state could not be written: {error}.", Severity.DANGER)

    def _publish(self, text: str, severity: Severity, bot_id: str = "") -> None:
        self._bus.publish(Error(_PART, text, self._clock.time_ms(), severity, bot_id))
