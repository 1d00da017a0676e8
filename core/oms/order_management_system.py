"""The only part that talks to an exchange about orders.

One request leaves per intent, and its outcome is one of four: accepted, rejected (definite),
already there (adopted), or unknown. Unknown is asked about, for as long as it takes, and never
sent again: only when the exchange can no longer admit the request, does not know it, and has no
fill of it, is its absence proved, and the order ends as "not placed".
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from decimal import Decimal

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Reject, Severity
from core.exchange_port import (
    ExchangeError,
    RateLimited,
    TradingPort,
    Unavailable,
)
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest, OrderStatus, Side
from core.models.positions import AcceptedPosition
from core.oms.absence_proof import WITNESS_AGE_MS, AbsenceProof
from core.oms.intent_journal import IntentJournal
from core.oms.order_changes import OrderChanges
from core.oms.order_registry import OrderRegistry
from core.oms.order_state import may_be_absent, needs_answer, request_text
from core.oms.outcomes import WhatFollows, what_follows
from core.oms.state_manager import StateManager
from core.snapshots import TrailLine
from core.storage.reserved_file import ReservedFile
from core.supervision import Supervisor

# Signed requests are admitted within their receive window only (5 s); the rest is clock error
# and the lag of the exchange's own index.
ABSENCE_PROOF_S = 20.0
MAX_TRIES = 5
NEVER_ARRIVED = "never_arrived"  # our own conclusion, once absence is proved
MAX_HELD_BACK_S = 30.0  # a limiter that wants longer than this gets no stale order from us
_BACKOFF_BASE_S = 0.5
_BACKOFF_CAP_S = 10.0
_FILL_OVERLAP_MS = 60_000


class OrderManagementSystem:
    """Lives on the engine's loop; journal writes are synchronous (about 0.5 ms each)."""

    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        database: sqlite3.Connection,
        ports: Mapping[str, TradingPort],
        supervisor: Supervisor,
        state: StateManager,
        owner_of: Callable[[str, str], str],
        on_external: Callable[[str, str, str], None],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        absence_proof_s: float = ABSENCE_PROOF_S,
        may_send: Callable[[], Awaitable[None]] | None = None,
        reserve: ReservedFile | None = None,
        exchange: str = "",
    ) -> None:
        """`ports` by account name. `owner_of(account, symbol)` -> the bot that owns the symbol
        there, "" if none. `on_external(account, symbol, text)` is told once of every order, fill
        or position that nothing of ours explains: pause the symbol, tell the trader.
        `absence_proof_s`: real seconds after which an unknown request can no longer arrive;
        infinite for an exchange that bounds it by nothing. `may_send()` returns when a request
        may leave (clock and books are right). `reserve` keeps room for exits on a full disk.
        `exchange`: whose alphabet our client ids are fitted to."""
        self.journal = IntentJournal(database, reserve)
        self._registry = OrderRegistry(
            bus=bus,
            clock=clock,
            journal=self.journal,
            accounts=ports,
            owner_of=owner_of,
            on_external=on_external,
            on_late=self._on_late,
            exchange=exchange,
        )
        for order in self._registry.working():
            state.on_order(order)  # what a former run left working is told by no event
        self._bus = bus
        self._clock = clock
        self._ports = ports
        self._supervisor = supervisor
        self._state = state
        self._rng = rng
        self._sleep = sleep
        self._absence = AbsenceProof(clock, absence_proof_s)
        self._may_send = may_send
        self._in_flight: set[str] = set()
        self._probing: set[str] = set()
        self.last_latency_ms: float | None = None  # newest request to its answer, real time
        self._changes = OrderChanges(
            ports=ports,
            registry=self._registry,
            clock=clock,
            ask=self._ask,
            is_in_flight=self._in_flight.__contains__,
            is_fully_booked=self.is_fully_booked,
            backoff_s=self._backoff_s,
            sleep=sleep,
            absence_proof_s=absence_proof_s,
        )

    # --- our own orders ---------------------------------------------------------------------

    def trades_on(self, account: str) -> bool:
        """True when the account has a port."""
        return account in self._ports

    def accept(self, request: OrderRequest, trail: Sequence[TrailLine] = ()) -> None:
        """Journal the intent, durably, after what led to it; nothing is sent. Raises
        sqlite3.IntegrityError for a client id that is known, sqlite3.Error when the disk refuses
        (an exit then stands on the reserved page)."""
        self._registry.open(request, trail)

    def submit(self, request: OrderRequest, checks: Sequence[TrailLine] = ()) -> None:
        """Journal "sent" durably and send in a task of its own; one request per intent.

        Accepts the request first where that was not done. `checks` join the order's trail.
        Raises ValueError for an account without a port and for an intent that was submitted
        before; sqlite3.Error when the disk refuses: then nothing leaves."""
        if request.account not in self._ports:
            raise ValueError(f"no exchange is connected for account {request.account!r}")
        known = self._registry.order(request.client_order_id) or self._registry.open(request)
        if known.status is not OrderStatus.INTENT:
            raise ValueError(
                f"order {known.client_order_id} was submitted before: it is {known.status.value}"
            )
        line = TrailLine(self._clock.time_ms(), "request", request_text(request))
        self._registry.conclude(request.client_order_id, OrderStatus.SENT, trail=[*checks, line])
        self._in_flight.add(request.client_order_id)
        self._supervisor.spawn(f"order {request.client_order_id}", self._send(request))

    def deny(self, request: OrderRequest, denial: Denial, checks: Sequence[TrailLine] = ()) -> None:
        """Our own no to an accepted intent: journalled, published as Order and Reject."""
        self._registry.conclude(
            request.client_order_id,
            OrderStatus.DENIED,
            denial.text,
            code=denial.code,
            trail=checks,
        )
        self._bus.publish(
            Reject(
                client_order_id=request.client_order_id,
                account=request.account,
                bot_id=request.bot_id,
                symbol=request.symbol,
                side=request.side,
                quantity=request.quantity,
                code=denial.code,
                text=denial.text,
                time_ms=self._clock.time_ms(),
            )
        )

    def fills_not_in_capital(self) -> list[Fill]:
        """What a crash kept from the capital ledger, in the order of booking."""
        return [f for account in self._ports for f in self.journal.fills_not_in_capital(account)]

    def unsettled_orders(self) -> list[Order]:
        """Ended orders that the capital ledger has not been told of."""
        return [order for account in self._ports for order in self.journal.unsettled(account)]

    def deny_left_over(self) -> None:
        """At start: intents that a crash kept from being sent end as denied."""
        for account in self._ports:
            for order in self._registry.ours(account):
                if order.status is OrderStatus.INTENT:
                    self._registry.conclude(
                        order.client_order_id,
                        OrderStatus.DENIED,
                        "the engine stopped before the order was sent",
                        code="not_sent",
                    )

    async def cancel(
        self, account: str, symbol: str, client_order_id: str, exchange_order_id: str
    ) -> None:
        """Ask the exchange to cancel; the end itself comes as an `Order` event.

        An order whose request is still on its way is cancelled as soon as it is found.
        Raises RequestRejected when the order had ended otherwise (its true state is published
        first) or is not the exchange's, OutcomeUnknown when no try was answered."""
        await self._changes.cancel(account, symbol, client_order_id, exchange_order_id)

    async def amend(
        self,
        client_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> Order:
        """Change a working order of ours in its place, and the order as it is known then; the
        new terms come as an `Order` event. None leaves that one. For what capital and risk have
        to say, go through `OrderGate.amend`.

        Raises RequestRejected (it has the old terms, or has ended), OutcomeUnknown (nobody could
        tell in the time in which the change may have arrived), RateLimited."""
        return await self._changes.amend(client_order_id, quantity=quantity, price=price)

    async def replace(self, client_order_id: str, request: OrderRequest) -> OrderRequest:
        """Cancel a working order and hand back `request` cut to what the old one left unfilled,
        for the gate: never are both working, never is more filled than was intended.

        Raises RequestRejected when nothing is left to replace, OutcomeUnknown while the end of
        the old one is not known."""
        return await self._changes.replace(client_order_id, request)

    def trail(self, client_order_id: str) -> list[TrailLine]:
        """Everything that led to an order and came of it, in order; empty for an unknown id."""
        return self.journal.trail(client_order_id)

    # --- what the exchange says -------------------------------------------------------------

    def on_order(self, order: Order) -> None:
        """From the private stream or REST, in any order, any number of times."""
        self._registry.hear(order)

    def on_listed(self, order: Order) -> None:
        """From the exchange's list of open orders, asked for just now."""
        self._registry.hear_listed(order)

    def on_fill(self, fill: Fill) -> None:
        """From the private stream or REST; each trade id is booked and published once."""
        self._registry.book(fill)

    # --- questions --------------------------------------------------------------------------

    def order(self, client_order_id: str) -> Order | None:
        """Newest known state of an order of ours, ended ones included."""
        return self._registry.order(client_order_id)

    def working_orders(self, account: str | None = None) -> list[Order]:
        """Every order that has not ended: ours, exchange-made stops, external ones."""
        return self._registry.working(account)

    def orders_of(self, bot_id: str, limit: int = 200) -> list[Order]:
        """Newest first, ended ones included."""
        return self.journal.orders_of(bot_id, limit)

    def entry_request(
        self, account: str, symbol: str, side: Side | None = None
    ) -> OrderRequest | None:
        """The newest entry of the symbol (on that side) that was filled: what its position was
        meant to be, with stop and take profit. None when no entry of ours made it."""
        for order in self.journal.entries_of(account, symbol, limit=20):
            if order.filled_quantity > 0 and side in (None, order.side):
                return self.journal.request(order.client_order_id)
        return None

    def entering(self, account: str, symbol: str) -> str:
        """The bot whose entry may still open a position; "" when none is on its way, and for one
        by hand."""
        under_way = (
            order.bot_id
            for order in self.journal.entries_of(account, symbol, limit=20)
            if not order.status.is_terminal or not self.is_fully_booked(order)
        )
        return next(under_way, "")

    def unanswered_entry(self, account: str, symbol: str) -> str:
        """Client id of an entry there of which nobody knows whether it was placed, "" when there
        is none. One that is just being sent is none: it is told in a moment."""
        unanswered = (
            order.client_order_id
            for order in self._registry.ours(account)
            if order.symbol == symbol
            and order.purpose is OrderPurpose.ENTRY
            and order.status is not OrderStatus.SENT
            and needs_answer(order)
        )
        return next(unanswered, "")

    def fills(self, since_ms: int = 0) -> list[Fill]:
        """Every booked fill of our accounts from `since_ms` (exchange time), as it was booked."""
        return [fill for account in self._ports for fill in self.journal.fills(account, since_ms)]

    def history(self) -> list[Fill | AcceptedPosition]:
        """All that has made the positions of our accounts, in the order of its booking."""
        return [event for account in self._ports for event in self.journal.history(account)]

    def purpose_of(self, fill: Fill) -> OrderPurpose:
        """Why the fill's order existed; EXTERNAL when nothing of ours explains it (and for
        funding, which has no order)."""
        return self._registry.purpose_of(fill)

    def is_position_clear(self, account: str, symbol: str) -> bool:
        """True when the exchange's word on the position is what the booked fills make, and no
        fill of an ended order is missing. Else a message is late or lost, and nobody knows for
        sure what is held."""
        return symbol not in self.unclear_symbols(account)

    def unclear_symbols(self, account: str) -> set[str]:
        """Where a message is late or lost: see `is_position_clear`."""
        booked = self.journal.net_quantities(account)
        shown = {p.symbol: p.signed_quantity for p in self._state.positions(account)}
        nothing = Decimal(0)
        differing = {
            symbol
            for symbol in booked.keys() | shown.keys()
            if booked.get(symbol, nothing) != shown.get(symbol, nothing)
        }
        return differing | self.unbooked_symbols(account)

    def unbooked_symbols(self, account: str) -> set[str]:
        """Where an order of ours has ended, and not all of its fills are booked, or written."""
        waiting = [order for order in self._registry.unsaved(account) if order.filled_quantity > 0]
        ended = [*self.journal.unsettled(account), *waiting]
        return {order.symbol for order in ended if not self.is_fully_booked(order)}

    def is_protected(self, account: str, symbol: str) -> bool:
        """True when a stop rests at the exchange for the whole position, or there is none."""
        return self._state.is_protected(account, symbol)

    @property
    def fills_booked(self) -> int:
        """How many fills this run has booked."""
        return self._registry.fills_booked

    def is_fully_booked(self, order: Order) -> bool:
        """True when the booked fills cover all that the exchange says is filled."""
        return self.journal.totals_of(order.client_order_id).quantity >= order.filled_quantity

    def unresolved(self, account: str) -> list[Order]:
        """Our orders whose fate is being asked for, and ended ones with fills to come."""
        asked = [order for order in self._registry.ours(account) if needs_answer(order)]
        ended = [
            order for order in self.journal.unsettled(account) if not self.is_fully_booked(order)
        ]
        return asked + ended

    def save_unsaved(self) -> None:
        """Write what a full disk kept in memory. Raises sqlite3.Error while it is full."""
        self._registry.save_unsaved()

    # --- reconciliation's part --------------------------------------------------------------

    async def resolve_unknown(self, account: str) -> None:
        """Ask once for every order of ours whose fate is open; the asking goes on in the
        background, with backoff, for those that the exchange did not answer for. A cancel that
        nobody answered is sent again."""
        for order in self._registry.ours(account):
            client_order_id = order.client_order_id
            if not needs_answer(order):
                if self._changes.is_withdrawn(client_order_id):
                    part = f"cancel of {client_order_id}"
                    self._supervisor.spawn(part, self._cancel_if_withdrawn(client_order_id))
            elif client_order_id not in self._in_flight:
                await self._probe_once(self._taken_up(order))
                self._keep_probing(client_order_id)

    async def refresh_missing(self, account: str, open_ids: set[str], as_of_ms: int) -> None:
        """Orders that we hold for working and the exchange's list of open ones (exchange order
        ids, asked for at `as_of_ms` market time) does not hold."""
        for order in self._registry.ours(account):
            if order.exchange_order_id and order.exchange_order_id not in open_ids:
                await self._ask(account, order.symbol, order.client_order_id)
        self._registry.end_missing_foreign(account, open_ids, as_of_ms)

    def tell_external(self, account: str, symbol: str, text: str) -> None:
        """Pass on a finding that nothing of ours explains, once."""
        self._registry.tell_external(account, symbol, text)

    def ignore_external(self, account: str, symbol: str) -> bool:
        """The trader knows of the finding and keeps it; False when there is none."""
        return self._registry.ignore_external(account, symbol)

    def forget_external(self, account: str, symbol: str) -> None:
        """The symbol is explained again: the next finding is news."""
        self._registry.forget_external(account, symbol)

    def forget_explained(self, account: str, unexplained: Set[str]) -> None:
        """Every symbol but these is explained again."""
        self._registry.forget_explained(account, unexplained)

    # --- sending ----------------------------------------------------------------------------

    async def _send(self, request: OrderRequest) -> None:
        client_order_id = request.client_order_id
        try:
            await self._send_until_answered(request)
        finally:
            self._in_flight.discard(client_order_id)
        self._keep_probing(client_order_id)
        await self._cancel_if_withdrawn(client_order_id)

    async def _send_until_answered(self, request: OrderRequest) -> None:
        """A limiter's no is definite, so the same intent may go out again after its wait;
        everything else is sent once."""
        client_order_id = request.client_order_id
        tries = 0
        while True:
            if self._may_send is not None:
                await self._may_send()
            if self._changes.is_withdrawn(client_order_id):
                self._registry.conclude(
                    client_order_id, OrderStatus.CANCELLED, "withdrawn before it was sent"
                )
                return
            held_back = await self._send_once(request)
            if held_back is None:
                return
            tries += 1
            if tries == MAX_TRIES or held_back.retry_after_s > MAX_HELD_BACK_S:
                self._reject(client_order_id, held_back)
                return
            await self._sleep(held_back.retry_after_s)

    async def _send_once(self, request: OrderRequest) -> RateLimited | None:
        """One request; the limiter's no is handed back, every other outcome is noted here."""
        client_order_id = request.client_order_id
        asked_s = self._clock.monotonic_s()
        try:
            exchange_order_id = await self._ports[request.account].place_order(request)
        except Exception as fault:  # noqa: BLE001 (whatever broke in an adapter, it may have left)
            return self._on_fault(client_order_id, fault)
        else:
            self.last_latency_ms = (self._clock.monotonic_s() - asked_s) * 1000
            self._registry.acknowledge(client_order_id, exchange_order_id)
        return None

    def _on_fault(self, client_order_id: str, fault: Exception) -> RateLimited | None:
        match what_follows(fault):
            case WhatFollows.WAIT:
                assert isinstance(fault, RateLimited)
                return fault
            case WhatFollows.END:
                assert isinstance(fault, ExchangeError)
                self._reject(client_order_id, fault)
            case WhatFollows.ADOPT:
                self._registry.acknowledge(client_order_id, "")
            case WhatFollows.ASK if isinstance(fault, ExchangeError):
                self._mark_unknown(client_order_id, fault.text)
            case _:
                self._mark_unknown(client_order_id, f"{type(fault).__name__}: {fault}")
                self._supervisor.report(f"order {client_order_id}", fault)
        return None

    def _reject(self, client_order_id: str, no: ExchangeError) -> None:
        self._registry.conclude(client_order_id, OrderStatus.REJECTED, no.text, code=no.code)

    def _mark_unknown(self, client_order_id: str, text: str) -> None:
        self._absence.begin(client_order_id)
        order = self._registry.conclude(client_order_id, OrderStatus.UNKNOWN, text)
        if order.status is OrderStatus.UNKNOWN:
            self._tell(
                order,
                f"nobody knows yet whether order {client_order_id} was placed ({text}): "
                "asking the exchange",
                Severity.WARNING,
            )

    # --- asking -----------------------------------------------------------------------------

    def _keep_probing(self, client_order_id: str) -> None:
        order = self._registry.order(client_order_id)
        if order is None or not needs_answer(order) or client_order_id in self._probing:
            return
        self._probing.add(client_order_id)
        self._supervisor.spawn(f"asking for {client_order_id}", self._probe(client_order_id))

    async def _probe(self, client_order_id: str) -> None:
        try:
            attempt = 0
            while (order := self._registry.order(client_order_id)) and needs_answer(order):
                await self._sleep(self._backoff_s(attempt))
                await self._probe_once(order)
                attempt += 1
        finally:
            self._probing.discard(client_order_id)
        self._absence.end(client_order_id)
        await self._cancel_if_withdrawn(client_order_id)

    def _taken_up(self, order: Order) -> Order:
        """What a former run left open may have left up to its end, so up to now at most. That
        moment is written down: a run that is too short to prove absence counts for the next."""
        client_order_id = order.client_order_id
        if not self._absence.is_open(client_order_id):
            if order.status is OrderStatus.SENT:
                why = "the engine stopped before the answer came"
                order = self._registry.conclude(client_order_id, OrderStatus.UNKNOWN, why)
            open_s = max(0, self._clock.time_ms() - order.updated_ms) / 1000 / self._clock.rate
            self._absence.begin(client_order_id, open_s)
        return order

    async def _probe_once(self, order: Order) -> None:
        client_order_id = order.client_order_id
        can_arrive = self._absence.can_arrive(client_order_id)  # when the question starts
        try:
            found = await self._ask(order.account, order.symbol, client_order_id)
            if found is not None or can_arrive:
                return
            await self._collect_fills(order)
            if not await self._knows_a_witness(order):
                self._absence.doubt(client_order_id)
                return
        except ExchangeError:
            return  # a read that failed says nothing about the order
        known = self._registry.order(client_order_id)
        if known is not None and may_be_absent(known) and self._absence.count(client_order_id):
            self._registry.conclude(
                client_order_id,
                OrderStatus.REJECTED,
                "not placed: the exchange never received the order",
                code=NEVER_ARRIVED,
            )

    async def _knows_a_witness(self, order: Order) -> bool:
        """True when the exchange shows the last order that it certainly received before this one;
        also where there is none to ask for. Raises Unavailable."""
        since_ms = self._clock.time_ms() - int(WITNESS_AGE_MS * max(1.0, self._clock.rate))
        witness = self.journal.last_received(order.account, since_ms, order.created_ms)
        if witness is None:
            return True
        port = self._ports[order.account]
        return await port.fetch_order(witness.symbol, witness.client_order_id) is not None

    async def _ask(self, account: str, symbol: str, client_order_id: str) -> Order | None:
        """The order as the exchange shows it now, joined to what we know; None: not found now.
        Raises Unavailable."""
        word = await self._ports[account].fetch_order(symbol, client_order_id)
        if word is None:
            return None
        self._registry.hear(word)
        known = self._registry.order(client_order_id)
        if known is not None and not self.is_fully_booked(known):
            await self._collect_fills(known)
        return self._registry.order(client_order_id)

    async def _collect_fills(self, order: Order) -> None:
        """Book what the exchange lists for one order. Raises Unavailable, also while the disk is
        full."""
        overlap_ms = int(_FILL_OVERLAP_MS * max(1.0, self._clock.rate))
        for fill in await self._ports[order.account].fetch_fills(order.created_ms - overlap_ms):
            if fill.client_order_id == order.client_order_id or (
                order.exchange_order_id and fill.exchange_order_id == order.exchange_order_id
            ):
                try:
                    self._registry.book(fill)
                except sqlite3.Error as fault:
                    raise Unavailable(f"a fill could not be written yet: {fault}") from fault

    def _on_late(self, order: Order) -> None:
        """Everybody was told that it was not placed: what is left of it must not be filled."""
        self._changes.withdraw(order.client_order_id)
        part = f"late order {order.client_order_id}"
        self._supervisor.spawn(part, self._cancel_if_withdrawn(order.client_order_id))

    async def _cancel_if_withdrawn(self, client_order_id: str) -> None:
        try:
            await self._changes.cancel_withdrawn(client_order_id)
        except ExchangeError as fault:
            order = self._registry.order(client_order_id)
            assert order is not None  # a withdrawn order is in the journal
            self._tell(order, fault.text, Severity.DANGER)

    def _tell(self, order: Order, text: str, severity: Severity) -> None:
        self._bus.publish(
            Error(
                part="order management",
                text=text,
                time_ms=self._clock.time_ms(),
                severity=severity,
                bot_id=order.bot_id,
            )
        )

    def _backoff_s(self, attempt: int) -> float:
        """Full jitter: clients that lost one exchange together do not come back together."""
        return self._rng.uniform(0, min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2 ** min(attempt, 10)))
