"""The judge: looks at the venue's books, at what left on the wire and at what the engine shows to
every screen. It never asks the engine's inside, which would agree with itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from app.chaos.limits_check import LimitsCheck
from app.chaos.stops_check import StopsCheck
from app.chaos.unheard_check import UnheardCheck
from app.chaos.verdict import Verdict
from app.chaos.world import ACCOUNT, World
from core.models.fills import FillKind
from core.models.orders import Order, OrderStatus, OrderType
from core.oms.client_order_id import is_ours
from core.snapshots import (
    BotState,
    CapitalSnapshot,
    EngineSnapshot,
    EngineState,
    FeedItem,
    FillRecord,
    Notice,
    OrderRecord,
)
from exchanges.simulated.faulty_port import Sent
from exchanges.simulated.values import CreateType, Executed, OrderChanged, VenueEvent, VenueOrder

MANUAL = "manual"  # what ids of orders by hand begin with
CAP_RATIO = Decimal("0.80")
_CAP_SLACK = Decimal("1.02")  # sizes are made at the signal's price, fills at another
EXIT_DUE_S = 8.0  # an unknown one is waited for; each further pause is twice as long as the last
EXIT_PAUSE_S = 30.0
BLIND_S = 0.5  # what was decided before may still be on its way out
_UNANSWERED = (OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.UNKNOWN)


class Checker:
    """Attributes: `verdict`, `stops`, `limits`."""

    def __init__(self, world: World, is_calm: Callable[[], bool]) -> None:
        """`is_calm()`: no fault is at work and the engine is up and connected."""
        self.verdict = Verdict(world.clock.now_s)
        self._fail = self.verdict.fail
        self._world = world
        self._is_calm = is_calm
        self._orders_of_id: dict[str, str] = {}  # client id -> exchange id
        self._opened_by: dict[str, set[str]] = {}  # symbol -> entries of the open position
        self._by_hand: set[str] = set()  # the trader's own orders are in the open position
        self._net: dict[str, Decimal] = {}
        self._foreign: set[str] = set()  # symbols that somebody touched by hand
        self._denied: set[str] = set()
        self._rejected: set[str] = set()
        self._seen_fills: set[str] = set()
        self._killed_s: float | None = None
        self._may_be_in_error = False
        self._checked_sent = 0
        self._exits_due: dict[str, float] = {}
        self._exits_sent: Counter[str] = Counter()
        self._trades: Counter[str] = Counter()
        self._shown: dict[str, int] = {}  # positions shown as they are, at so many trades
        self._closing: set[str] = set()  # until they have been seen flat
        self._closing_too: set[str] = set()  # entries that were on their way at a close
        self._traded_by_hand: dict[str, str] = {}  # exchange id -> symbol
        self._told_external: set[str] = set()
        self._jumped_s = -1.0
        self._sent_ids: set[str] = set()
        self._let_through: set[str] = set()
        self.stops = StopsCheck(world, self.verdict, is_calm)
        self.limits = LimitsCheck(world, self.verdict, is_calm, foreign=self._foreign)
        self._unheard = UnheardCheck(world, self.verdict)
        world.venue.on_event.append(self._on_event)

    # ---- what happens

    def mark_foreign(self, symbol: str) -> None:
        """Somebody else trades the symbol from now on: its sizes are not ours alone, and the
        trader has to be told."""
        self._foreign.add(symbol)
        self.stops.unguarded.add(symbol)
        self.stops.forget_move(symbol)

    def mark_accepted(self, symbol: str) -> None:
        """The trader has taken over what stands there: from now on its stop is guarded."""
        self.stops.unguarded.discard(symbol)

    def mark_jump(self) -> None:
        """The machine slept, or its clock was set: nothing leaves before the books are read."""
        self._jumped_s = self._now_s()

    def expect_no_entries(self) -> None:
        """The engine has acknowledged the kill switch."""
        if self._killed_s is None:
            self._killed_s = self._now_s()

    def allow_entries(self) -> None:
        """The trader has resumed trading."""
        self._check_sent()
        self._killed_s = None
        self.limits.allow_entries()

    def expect_exit(self, symbol: str) -> None:
        """The engine has said that it closes the symbol."""
        if symbol not in self._exits_due:
            self._exits_due[symbol] = self._now_s()
            self._exits_sent[symbol] = 0
        self._closing.add(symbol)

    def is_bots(self, symbol: str) -> bool:
        """What is open there belongs to a bot: its symbol, or what one that scans has opened. Not
        what a stranger has just done and the engine has not found yet."""
        if symbol in self._foreign - self._told_external:
            return False
        is_entered = bool(self._opened_by.get(symbol)) and symbol not in self._by_hand
        return is_entered or self._world.schedule.scan is None

    def expect_no_late_entry(self, symbol: str) -> None:
        """The engine has said that the symbol's bot is stopped and closed: what has left before
        and may still open something is closed too."""
        self._closing_too |= {
            entry.request.client_order_id
            for entry in self._world.standing.sent
            if entry.request.symbol == symbol and not entry.request.reduce_only
        }

    def seen(self) -> dict[str, int]:
        """How much there was to judge."""
        sent = self._world.standing.sent
        return {
            "orders": len(sent),
            "exits": sum(entry.request.reduce_only for entry in sent),
            "trades": self._trades.total(),
            "by_others": len(self._traded_by_hand),
            "lost_days": self.limits.lost_days,
            "drawdowns": self.limits.drawdowns,
            "stops_moved": self.stops.times_moved,
        }

    def check_amended(self, client_id: str, quantity: Decimal, price: Decimal) -> None:
        """The engine has said that the venue accepted these terms."""
        for order in self._world.account.open_orders():
            if order.client_order_id == client_id and (order.quantity, order.price) != (
                quantity,
                price,
            ):
                text = f"{client_id}: {quantity} at {price} was accepted, it is not so"
                self._fail("false_yes", text)

    def expect_errors(self) -> None:
        """The trader was told that something could not be done: a bot may stay in error."""
        self._may_be_in_error = True

    def engine_died(self) -> None:
        """What the dead one had promised aloud only is forgotten; a new screen sees it all anew."""
        self._exits_due.clear()
        self._closing.clear()
        self._closing_too.clear()
        self._shown.clear()
        self._seen_fills.clear()
        self.limits.engine_died()

    def on_record(self, item: FeedItem) -> None:
        """The ordered list that every screen gets."""
        record = item.record
        if isinstance(record, OrderRecord):
            self._on_order_record(record.order)
        elif isinstance(record, FillRecord):
            if record.fill.trade_id in self._seen_fills:
                self._fail("fill_twice", f"{record.fill.trade_id} was told twice")
            self._seen_fills.add(record.fill.trade_id)
        elif isinstance(record, Notice) and record.title == "External":
            self._told_external.add(record.symbol)

    def _on_order_record(self, order: Order) -> None:
        if order.status is OrderStatus.SENT and order.client_order_id not in self._let_through:
            self._let_through.add(order.client_order_id)
            self.limits.on_let_through(order)
        if order.status is OrderStatus.REJECTED:
            self._rejected.add(order.client_order_id)
            if order.reduce_only:
                self.stops.note_refused_exit(order.symbol)
            if order.client_order_id in self._orders_of_id:
                self._fail("false_no", f"{order.client_order_id} is rejected, the venue has it")
        if order.status.is_terminal and self._works_at_venue(order):
            self._fail("false_end", f"{order.client_order_id} is {order.status}, and works")
        if order.status is not OrderStatus.DENIED:
            return
        self._denied.add(order.client_order_id)
        if order.reduce_only and order.reject_code not in ("not_sent", "journal"):
            self._fail("exit_blocked", f"{order.symbol}: an exit was denied: {order.reason}")

    def _works_at_venue(self, order: Order) -> bool:
        ids = {o.client_order_id for o in self._world.account.open_orders(order.symbol)} - {""}
        return order.client_order_id in ids

    def _on_event(self, event: VenueEvent) -> None:
        match event:
            case OrderChanged(order) if order.account == ACCOUNT:
                self._on_venue_order(order)
            case Executed(execution) if execution.account == ACCOUNT:
                if execution.kind is FillKind.TRADE:
                    signed = execution.quantity * execution.side.sign
                    self._on_trade(execution.symbol, signed, execution.client_order_id)

    def _on_venue_order(self, order: VenueOrder) -> None:
        client_id = order.client_order_id
        if not client_id:
            if order.create_type is CreateType.USER:
                self._on_order_by_hand(order)
            return
        known = self._orders_of_id.setdefault(client_id, order.order_id)
        if known != order.order_id:
            self._fail("duplicate", f"{client_id} stands for {known} and {order.order_id}")
        if client_id in self._rejected:
            self._fail("false_no", f"{client_id} was rejected, and the venue took it")
        if client_id in self._denied:
            self._fail("denied_sent", f"{client_id} was denied, and the venue has it")

    def _on_order_by_hand(self, order: VenueOrder) -> None:
        """What rests, and what traded, has to be told; what came and went unfilled does not."""
        if order.filled_quantity or (order.is_open and order.order_type is OrderType.LIMIT):
            self._traded_by_hand[order.order_id] = order.symbol
        else:
            self._traded_by_hand.pop(order.order_id, None)

    def _on_trade(self, symbol: str, signed: Decimal, client_id: str) -> None:
        self._trades[symbol] += 1
        self._unheard.on_trade(symbol, is_ours=is_ours(client_id) and symbol not in self._foreign)
        before = self._net.get(symbol, Decimal(0))
        after = self._net[symbol] = before + signed
        opened_by = self._opened_by.setdefault(symbol, set())
        if abs(after) > abs(before) and is_ours(client_id) and not client_id.startswith(MANUAL):
            opened_by.add(client_id)
            if client_id in self._closing_too:
                self._closing.add(symbol)
            if len(opened_by) > 1 and symbol not in self._foreign:
                self._fail("duplicate", f"{symbol} was entered twice: {sorted(opened_by)}")
            self._check_position_limit()
        is_turned = before * after < 0
        if (abs(after) > abs(before) or is_turned) and self._is_traders_entry(client_id):
            self._by_hand.add(symbol)  # he may turn a position over, on an account of one way
        if is_turned and symbol not in self._foreign | self._by_hand:
            self._fail("turned", f"{symbol} was turned over in one order, {client_id}")
        if after == 0 or abs(after) > abs(before):
            self.stops.forget_move(symbol)
        if after == 0:
            self.stops.note_flat(symbol)
            opened_by.clear()
            self._by_hand.discard(symbol)
            self._closing.discard(symbol)
            self._exits_due.pop(symbol, None)

    def _is_traders_entry(self, client_id: str) -> bool:
        """A limit order of the ticket; exits that see a close through are named alike."""
        return client_id.startswith(MANUAL) and any(
            entry.request.client_order_id == client_id and not entry.request.reduce_only
            for entry in self._world.standing.sent
        )

    def _check_position_limit(self) -> None:
        """Of a bot that scans; symbols that others have touched too are not counted."""
        scan = self._world.schedule.scan
        symbols = {symbol for symbol, entries in self._opened_by.items() if entries}
        symbols -= self._foreign | self._by_hand
        if scan is not None and len(symbols) > scan.position_limit:
            self._fail("position_limit", f"{sorted(symbols)} of {scan.position_limit} at most")

    # ---- looks

    def look(self) -> None:
        """Once a virtual second, the venue up to date."""
        self._check_sent()
        self.stops.look()
        self.limits.look()
        self._unheard.look()
        self._check_exits()

    def look_at_snapshot(self, snapshot: EngineSnapshot) -> None:
        """What a screen would show now."""
        capital = snapshot.capital
        if capital is None:
            return
        if capital.total != capital.free + capital.reserved + capital.locked:
            self._fail("capital", f"the parts of {capital.total} do not add up to it")
        least = min(capital.reserved, capital.locked, capital.available)
        if least < 0 or (capital.free < 0 and not self._is_held_twice(capital)):
            self._fail("capital", "a part of the capital is below zero")
        working = sum(
            (
                (order.quantity - order.filled_quantity) * (order.price or Decimal(0))
                for order in snapshot.working_orders
                if order.client_order_id and not order.reduce_only
            ),
            Decimal(0),
        )
        if capital.reserved < working:
            self._fail("cap", f"entries for {working:.2f} work, {capital.reserved:.2f} is reserved")
        self._check_shown(snapshot)
        self._unheard.look_at_snapshot(snapshot)
        if snapshot.unhandled_exceptions:
            self._fail("unhandled", f"{snapshot.unhandled_exceptions} exceptions nobody foresaw")

    def _is_held_twice(self, capital: CapitalSnapshot) -> bool:
        """A position whose fill has not been told: its capital is locked, and stays reserved until
        the fill says for which order. That errs on the safe side, and nothing is free meanwhile."""
        oms = self._world.engine.desks[ACCOUNT].oms
        return capital.available == 0 and bool(oms.unclear_symbols(ACCOUNT))

    def _check_shown(self, snapshot: EngineSnapshot) -> None:
        """A position of ours that is shown stays so until somebody trades."""
        seen = {row.position.symbol: row.position.signed_quantity for row in snapshot.positions}
        for symbol, trades in self._shown.items():
            if symbol not in seen and trades == self._trades[symbol]:
                self._fail("forgotten", f"{symbol} is held, and not shown any more")
        self._shown = {
            symbol: self._trades[symbol]
            for symbol, quantity in seen.items()
            if quantity == self._net.get(symbol) and symbol not in self._foreign
        }

    def _check_sent(self) -> None:
        sent = self._world.standing.sent
        for entry in sent[self._checked_sent :]:
            request = entry.request
            if request.client_order_id in self._denied:
                self._fail("denied_sent", f"{request.client_order_id} was denied, and sent")
            if entry.is_early:
                self._fail("too_early", f"{request.client_order_id} was sent before its wait")
            if not request.reduce_only:
                self._check_entry(entry)
            elif request.symbol in self._exits_due:
                self._exits_due[request.symbol] = entry.at_s  # the next one, if it fails
                self._exits_sent[request.symbol] += 1
            self._sent_ids.add(request.client_order_id)
        self._checked_sent = len(sent)

    def _check_entry(self, entry: Sent) -> None:
        request = entry.request
        if self._killed_s is not None and entry.at_s > self._killed_s:
            self._fail("after_kill", f"{request.client_order_id} left after the kill switch")
        if request.stop_loss is None:
            self._fail("no_stop", f"{request.client_order_id} left without a stop")
        if request.client_order_id not in self._sent_ids:
            if entry.blind_s > BLIND_S:
                self._fail("blind", f"{request.client_order_id} left without the orders stream")
            if entry.read_s < self._jumped_s < entry.at_s - BLIND_S:
                self._fail("stale", f"{request.client_order_id} left before the books were read")
        wallet = self._world.account.wallet()
        held = sum(
            (p.entry_notional for p in self._world.account.positions()),
            Decimal(0),
        )
        working = sum(
            (
                o.leaves_quantity * (o.price or Decimal(0))
                for o in self._world.account.open_orders()
                if not o.reduce_only and o.client_order_id != request.client_order_id
            ),
            Decimal(0),
        )
        is_new = request.client_order_id not in self._orders_of_id
        wanted = held + working + (request.notional if is_new else Decimal(0))
        if wanted > CAP_RATIO * wallet.wallet_balance * _CAP_SLACK and not self._foreign:
            self._fail("cap", f"{wanted:.2f} of {wallet.wallet_balance:.2f} would be in use")

    def _check_exits(self) -> None:
        if not self._exits_due:
            return
        held = {p.symbol for p in self._world.account.positions()}
        now_s = self._now_s()
        for symbol, asked_s in list(self._exits_due.items()):
            if symbol not in held:
                del self._exits_due[symbol]
            elif not self._is_calm():
                self._exits_due[symbol] = now_s
            elif now_s - asked_s > EXIT_DUE_S + min(2.0 ** self._exits_sent[symbol], EXIT_PAUSE_S):
                self._fail("exit_blocked", f"{symbol} was to be closed, and no more exit left")
                del self._exits_due[symbol]

    # ---- the end

    def differences(self, snapshot: EngineSnapshot) -> dict[str, str]:
        """What is not right yet, kind -> sentence; nothing when all is well."""
        if snapshot.state is not EngineState.RUNNING:
            return {"unresolved": f"the engine is {snapshot.state}: {snapshot.state_text}"}
        found = {
            "unresolved": self._unresolved(snapshot),
            "not_closed": ", ".join(sorted(self._closing - self._foreign)),
            "external_unseen": ", ".join(
                sorted({*self._traded_by_hand.values()} - self._told_external)
            ),
            "after_kill": self._left_working(),
            "orphan": self._orphan_position(snapshot),
            "orphan_order": self._orphan_order(snapshot),
            "terms": self._terms(snapshot),
            "unprotected": self._unprotected(),
            "stop_moved": self.stops.misplaced(),
            "not_liquidated": self.limits.still_held(),
            "ledger": self._ledger(snapshot),
        }
        if snapshot.data.gaps_open and not self._may_be_in_error:
            found["candles"] = f"{snapshot.data.gaps_open} bars are missing"
        return {kind: text for kind, text in found.items() if text}

    def _unresolved(self, snapshot: EngineSnapshot) -> str:
        for order in snapshot.working_orders:
            if order.status in _UNANSWERED or not order.exchange_order_id:
                return f"{order.client_order_id} is {order.status}"
        if snapshot.connections[0].private != "connected":
            return "the orders stream is not connected"
        for bot in snapshot.bots:
            is_down = bot.state is BotState.ERROR and not self._may_be_in_error
            if is_down or bot.state is BotState.STARTING:
                return f"{bot.bot_id} is {bot.state}: {bot.state_text}"
        return ""

    def _left_working(self) -> str:
        """After the kill switch no entry of ours works at the venue."""
        if self._killed_s is None:
            return ""
        left = [
            order.client_order_id
            for order in self._world.account.open_orders()
            if order.client_order_id and not order.reduce_only
        ]
        return f"{left[0]} still works after the kill switch" if left else ""

    def _orphan_position(self, snapshot: EngineSnapshot) -> str:
        held = {p.symbol: p.signed_quantity for p in self._world.account.positions()}
        seen = {row.position.symbol: row.position.signed_quantity for row in snapshot.positions}
        if held != seen:
            return f"the venue holds {_words(held)}, the engine shows {_words(seen)}"
        owners = {bot.symbol for bot in snapshot.bots}
        if "" in owners:
            owners |= {s for s in held if self.is_bots(s)} - self._foreign
        lost = [
            row.position.symbol
            for row in snapshot.positions
            if not row.bot_id and row.position.symbol in owners
        ]
        return f"{lost[0]} has no owner" if lost else ""

    def _orphan_order(self, snapshot: EngineSnapshot) -> str:
        working = {o.order_id: o for o in self._world.account.open_orders()}
        shown = {o.exchange_order_id for o in snapshot.working_orders} - {""}
        if working.keys() == shown:
            return ""
        missing = sorted(
            f"{working[order_id].create_type} {working[order_id].symbol}"
            for order_id in working.keys() - shown
        )
        return f"not shown: {missing}; shown, but gone: {len(shown - working.keys())}"

    def _terms(self, snapshot: EngineSnapshot) -> str:
        """Orders of ours are shown as they work at the venue."""
        at_venue = {o.order_id: (o.quantity, o.price) for o in self._world.account.open_orders()}
        for order in snapshot.working_orders:
            terms = order.quantity, order.price
            if order.client_order_id and at_venue.get(order.exchange_order_id, terms) != terms:
                return f"{order.client_order_id} is shown as {terms}"
        return ""

    def _unprotected(self) -> str:
        for position in self._world.account.positions():
            symbol = position.symbol
            if symbol not in self.stops.unguarded and not self.stops.is_covered(
                symbol, position.quantity
            ):
                return f"{symbol} has no stop"
        return ""

    def _ledger(self, snapshot: EngineSnapshot) -> str:
        wallet, capital = self._world.account.wallet(), snapshot.capital
        if capital is None or capital.total != wallet.wallet_balance:
            total = capital.total if capital else None
            return f"our total is {total}, the wallet holds {wallet.wallet_balance}"
        error = snapshot.accounts[0].ledger_error
        if error not in (None, 0):
            return f"the engine shows a ledger error of {error}"
        held = {p.symbol for p in self._world.account.positions()}
        locked = {part.symbol for part in capital.slices if part.state == "locked"}
        if locked != held:
            return f"capital is locked for {sorted(locked)}, held are {sorted(held)}"
        has_entry = any(not order.reduce_only for order in self._world.account.open_orders())
        if capital.reserved and not has_entry:
            return f"{capital.reserved} stay reserved for no order"
        return ""

    def _now_s(self) -> float:
        return self._world.clock.now_s()


def _words(positions: dict[str, Decimal]) -> str:
    return ", ".join(f"{quantity:+f} {symbol}" for symbol, quantity in positions.items()) or "nil"
