"""Judges the trader's limits by the venue's books: loss, drawdown, size, rate, age of a price.

What the engine lets through counts at the moment it says "sent". Its own figures may differ from
the venue's by what it has not heard yet, so every limit is judged with some slack, and only what
stood long enough for it to be known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Set
from decimal import Decimal

from app.chaos.verdict import Verdict
from app.chaos.world import World
from core.models.orders import Order
from exchanges.simulated.faults import FaultKind

_SLACK = Decimal("1.1")
_DAY_MS = 86_400_000
_MINUTE_S = 60.0
_KNOWN_S = 6.0  # after so many seconds a loss has been seen by whoever hears the prices
_HEARD_S = 4.0  # prices come every two
_JUST_HEARD_S = 0.5  # an order may have been on its way to the gate before
_CLOCK_ERROR_S = 1.0
_BEST_OF_S = 20.0  # for sizes: the best equity that may still be the one last heard
_PRICE_SLACK_S = 1.5
# Where its fills go astray: for how long after that its equity may miss them (the books are read
# every 45 s, and at once after an outage).
_UNTOLD_S = {
    FaultKind.PRIVATE_OUTAGE: 5.0,
    FaultKind.PRIVATE_LATE: 5.0,
    FaultKind.PRIVATE_STALL: 50.0,
    FaultKind.DISK_JOURNAL: 50.0,
}


class LimitsCheck:
    """Attributes: `lost_days`, `drawdowns`: how often those limits were broken by the market."""

    def __init__(
        self,
        world: World,
        verdict: Verdict,
        is_calm: Callable[[], bool],
        *,
        foreign: Set[str],
    ) -> None:
        """`is_calm()`: no fault is at work and the engine is up and connected. `foreign`: symbols
        that somebody else trades too."""
        self.lost_days = 0
        self.drawdowns = 0
        self._world = world
        self._verdict = verdict
        self._is_calm = is_calm
        self._foreign = foreign
        self._limits = world.risk_limits
        self._day = -1
        self._day_equity = self._peak = world.schedule.balance
        self._is_day_settled = True  # a calm look has seen the day's equity
        self._is_peak_settled = True  # and the equity from which drawdown counts anew
        self._lost_day: int | None = None
        self._is_to_be_flat = False
        self._lost_s = self._fallen_s = self._looked_s = 0.0
        self._equities: deque[tuple[float, Decimal]] = deque()
        self._let_through_s: deque[float] = deque()

    def engine_died(self) -> None:
        """The rate is counted anew."""
        self._let_through_s.clear()

    def allow_entries(self) -> None:
        """The trader has resumed trading, which the engine must refuse after a day's loss."""
        if self._lost_day == self._today():
            self._verdict.fail("resumed", "trading goes on though the day's loss limit is broken")
        self._is_to_be_flat = False
        self._peak, self._is_peak_settled = min(self._peak, self._equity()), False
        self._fallen_s = 0.0

    def still_held(self) -> str:
        """After a drawdown that closes everything: what is open though."""
        held = {position.symbol for position in self._world.account.positions()} - self._foreign
        return ", ".join(sorted(held)) if self._is_to_be_flat else ""

    def look(self) -> None:
        """Once a virtual second."""
        now_s, is_calm, equity = self._world.clock.now_s(), self._is_calm(), self._equity()
        step_s, self._looked_s = now_s - self._looked_s, now_s
        self._equities.append((now_s, equity))
        while self._equities[0][0] < now_s - _BEST_OF_S:
            self._equities.popleft()
        if self._today() != self._day:
            if self._day >= 0:  # the engine takes the equity that it sees first
                self._day_equity, self._is_day_settled = equity, False
            self._day, self._lost_s = self._today(), 0.0
        if not self._is_day_settled:
            self._day_equity = min(self._day_equity, equity)
            self._is_day_settled = is_calm
        loss = self._day_equity - equity
        is_known = self._is_known()
        is_lost = loss > _SLACK * self._limits.max_daily_loss * self._day_equity
        self._lost_s = self._lost_s + step_s if is_lost and is_known else 0.0
        if self._lost_s > _KNOWN_S and self._lost_day != self._day:
            self._lost_day = self._day
            self.lost_days += 1
        if is_calm:  # an equity that was never seen is nobody's peak
            self._peak, self._is_peak_settled = max(self._peak, equity), True
        elif not self._is_peak_settled:
            self._peak = min(self._peak, equity)
        is_fallen = self._peak - equity > _SLACK * self._limits.max_drawdown * self._peak
        self._fallen_s = self._fallen_s + step_s if is_fallen and is_known else 0.0
        if self._fallen_s > _KNOWN_S and not self._is_to_be_flat:
            self._is_to_be_flat = True
            self.drawdowns += 1

    def on_let_through(self, order: Order) -> None:
        """The engine has just said that it sends the order."""
        now_s = self._world.clock.now_s()
        while self._let_through_s and self._let_through_s[0] <= now_s - _MINUTE_S:
            self._let_through_s.popleft()
        if not order.reduce_only:
            self._judge(order)
        self._let_through_s.append(now_s)

    def _judge(self, order: Order) -> None:
        name, symbol = order.client_order_id, order.symbol
        if self._lost_day == self._today():
            self._verdict.fail("after_loss", f"{name} was sent after the day's loss limit broke")
        if len(self._let_through_s) >= self._limits.max_orders_per_minute:
            count = len(self._let_through_s)
            self._verdict.fail("too_many", f"{name} was sent after {count} within a minute")
        age_s = self._heard_age_s(symbol)
        if age_s > self._limits.max_price_age_s + _PRICE_SLACK_S:
            self._verdict.fail("stale_price", f"{name} was sent on a price {age_s:.0f} s old")
        if self._is_known():
            self._judge_size(order)

    def _judge_size(self, order: Order) -> None:
        symbol, account = order.symbol, self._world.account
        price = self._least_price(symbol)
        wanted = order.quantity * min(order.price or price, price)
        wanted += sum((p.entry_notional for p in account.positions() if p.symbol == symbol), 0)
        wanted += sum(
            o.leaves_quantity * (o.price or price)
            for o in account.open_orders(symbol)
            if not o.reduce_only
        )
        best = max((equity for _, equity in self._equities), default=self._equity())
        if wanted > _SLACK * self._limits.max_position_share * best:
            text = f"{symbol} would hold {wanted:.2f} of {best:.2f} with {order.client_order_id}"
            self._verdict.fail("too_large", text)

    def _least_price(self, symbol: str) -> Decimal:
        """The lowest of the newest price, the one last heard and, where that came this very
        moment, the one before: a market that leaps in between makes an order larger than anybody
        could know."""
        world = self._world
        newest = world.market.price(symbol, world.clock.time_ms())
        heard = world.exchange.heard.get(symbol)
        if heard is None:
            return newest
        known = heard.before if self._heard_age_s(symbol) < _JUST_HEARD_S else heard.price
        return min(newest, heard.price, known)

    def _heard_age_s(self, symbol: str) -> float:
        heard = self._world.exchange.heard.get(symbol)
        at_s = heard.at_s if heard is not None else float("-inf")
        return self._world.clock.monotonic_s() - at_s

    def _is_known(self) -> bool:
        """The engine has just heard the newest price of everything and all of its fills, has read
        its books since its start, knows what time it is, and all that is held is its own."""
        world = self._world
        now_s = world.clock.now_s()
        return (
            world.is_up
            and world.exchange.has_read_positions
            and not self._foreign
            and not any(
                fault.start_s <= now_s < fault.end_s + _UNTOLD_S.get(fault.kind, float("-inf"))
                for fault in world.schedule.faults
            )
            and not world.plan.active(FaultKind.PUBLIC_LATE)
            and not world.plan.active(FaultKind.PUBLIC_DUPLICATE)
            and abs(world.clock.engine_error_s()) < _CLOCK_ERROR_S
            and all(self._heard_age_s(symbol) < _HEARD_S for symbol in world.schedule.symbols)
        )

    def _today(self) -> int:
        return self._world.clock.time_ms() // _DAY_MS

    def _equity(self) -> Decimal:
        return self._world.account.wallet().equity
