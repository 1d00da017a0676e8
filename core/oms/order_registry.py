"""Every order that we know, in one place: the journal on disk, the live ones in memory.

Words and fills come here from the stream and from REST alike, are matched to their owner, joined
to what is known (`order_state`), written down, and only then published, once. What no journal
entry and no bot explains is EXTERNAL: reported, never adopted (rule 3).

On a full disk a word about an order is kept in memory and written later: it can be asked for
again, and an order that is already at the exchange must go on being followed. An intent is
different: an entry's does not get past here unwritten, an exit's goes to the reserved page.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence, Set

import msgspec

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Reject, Severity
from core.models.fills import Fill, FillKind
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus
from core.oms.client_order_id import is_ours
from core.oms.intent_journal import IntentJournal
from core.oms.order_state import (
    apply_acknowledgement,
    apply_conclusion,
    apply_fills,
    apply_word,
    order_from_request,
)
from core.snapshots import TrailLine

log = logging.getLogger(__name__)
_EXCHANGE_MADE = {
    "stop_loss": OrderPurpose.STOP_LOSS,
    "take_profit": OrderPurpose.TAKE_PROFIT,
}
_LEFT_OUT = "no longer among the exchange's open orders"
_ENDED_KEPT = 1000  # ended foreign orders remembered, so that a late word cannot revive one


class _Unsaved(msgspec.Struct):
    """`request` where the intent itself stands on the reserved page only."""

    request: OrderRequest | None
    order: Order
    trail: list[TrailLine]


class OrderRegistry:
    """Synchronous and single-threaded. `open`, `conclude` as sent, and `book` raise sqlite3.Error
    when the disk refuses; then nothing was changed and nothing published."""

    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        journal: IntentJournal,
        accounts: Iterable[str],
        owner_of: Callable[[str, str], str],
        on_external: Callable[[str, str, str], None],
        on_late: Callable[[Order], None],
        exchange: str = "",
    ) -> None:
        """`on_late(order)`: it works at the exchange after all, though its absence had been
        proved and told. `exchange`: whose alphabet the client ids are fitted to."""
        self._bus = bus
        self._clock = clock
        self._journal = journal
        self._owner_of = owner_of
        self._on_external = on_external
        self._on_late = on_late
        self._exchange = exchange
        self._unsaved: dict[str, _Unsaved] = {}
        self._live = {
            order.client_order_id: order
            for account in accounts
            for order in journal.unresolved(account)
        }
        self._foreign: OrderedDict[tuple[str, str], Order] = OrderedDict()
        self._external_told: dict[tuple[str, str], str] = {}
        self.fills_booked = 0  # in this run

    # --- our own orders ---------------------------------------------------------------------

    def open(self, request: OrderRequest, trail: Sequence[TrailLine] = ()) -> Order:
        """Write the intent down, after `trail`, what led to it. Raises sqlite3.IntegrityError for
        a client id that is known, sqlite3.Error when the disk refuses."""
        order = order_from_request(request)
        lines = [*trail, self._line("intent", request.reason)]
        try:
            self.save_unsaved()
            self._journal.record(request, order, lines)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as fault:
            if request.increases_risk:
                raise
            self._journal.reserve(request)
            self._keep(request, order, lines, fault)
        self._live[order.client_order_id] = order
        self._bus.publish(order)
        return order

    def conclude(
        self,
        client_order_id: str,
        status: OrderStatus,
        reason: str = "",
        *,
        code: str = "",
        trail: Sequence[TrailLine] = (),
    ) -> Order:
        """Our own conclusion; the order as it is now, unchanged where the exchange knows more."""
        before = self._known(client_order_id)
        after = apply_conclusion(
            before, status, time_ms=self._clock.time_ms(), reason=reason, code=code
        )
        self._store(before, after, [*trail, self._line(status.value, reason)])
        return after

    def acknowledge(self, client_order_id: str, exchange_order_id: str) -> Order:
        """The exchange accepted the request (or has had it already: empty id)."""
        before = self._known(client_order_id)
        after = apply_acknowledgement(before, exchange_order_id)
        text = f"accepted {exchange_order_id}".strip()
        if after == before:  # the stream was faster: the answer still belongs to the story
            self.note(client_order_id, "answer", text)
        self._store(before, after, [self._line("answer", text)])
        return after

    def note(self, client_order_id: str, step: str, text: str) -> None:
        """One more line of the order's trail; on a full disk, later."""
        order, line = self._known(client_order_id), self._line(step, text)
        try:
            self.save_unsaved()
            self._journal.note(client_order_id, line)
        except sqlite3.Error as fault:
            self._keep(None, order, [line], fault)

    def order(self, client_order_id: str) -> Order | None:
        """Newest known state of an order of ours; None for an id that never was."""
        known = self._live.get(client_order_id)
        if known is None and client_order_id in self._unsaved:
            known = self._unsaved[client_order_id].order
        return known or self._journal.order(client_order_id)

    def working(self, account: str | None = None) -> list[Order]:
        """Every order that has not ended: ours, exchange-made stops, external ones."""
        foreign = [order for order in self._foreign.values() if not order.status.is_terminal]
        return [o for o in (*self._live.values(), *foreign) if account in (None, o.account)]

    def ours(self, account: str) -> list[Order]:
        """Our orders that have not ended."""
        return [order for order in self._live.values() if order.account == account]

    # --- what the exchange says -------------------------------------------------------------

    def unsaved(self, account: str) -> list[Order]:
        """What a full disk keeps in memory, as it is known now."""
        waiting = [kept.order for kept in self._unsaved.values()]
        return [order for order in waiting if order.account == account]

    def hear(self, word: Order) -> None:
        """The exchange's word on an order, whoever made it."""
        known = self._find(word.account, word.client_order_id, word.exchange_order_id)
        if known is None:
            self._hear_foreign(word)
            return
        if _is_another(known, word.exchange_order_id):
            self._tell_duplicate(known, word.exchange_order_id)
            self._hear_foreign(word)
            return
        after = apply_word(known, word)
        after = apply_fills(after, self._journal.totals_of(known.client_order_id))
        self._store(known, after, [self._line("exchange", _progress(after))])

    def hear_listed(self, word: Order) -> None:
        """The exchange's list of open orders has it now: one answer that had left it out was no
        proof of its end. A late word of the stream does not count as that."""
        key = (word.account, word.exchange_order_id)
        ended = self._foreign.get(key)
        if ended is not None and ended.reason == _LEFT_OUT:
            del self._foreign[key]
        self.hear(word)

    def book(self, fill: Fill) -> None:
        """Book one fill, unless its trade id was booked before."""
        self.save_unsaved()
        if self._journal.knows_fill(fill):
            return
        order = None
        if fill.kind is FillKind.TRADE:
            order = self._find(fill.account, fill.client_order_id, fill.exchange_order_id)
        if order is not None and _is_another(order, fill.exchange_order_id):
            self._tell_duplicate(order, fill.exchange_order_id)
            order = None
        purpose = self._purpose(fill, order)
        if order is None:
            self._book_foreign(fill, purpose)
            return
        fill = msgspec.structs.replace(
            fill, bot_id=order.bot_id, client_order_id=order.client_order_id
        )
        totals = self._journal.totals_of(order.client_order_id).plus(fill)
        after = apply_fills(order, totals)
        if not after.exchange_order_id:
            after = msgspec.structs.replace(after, exchange_order_id=fill.exchange_order_id)
        self._journal.add_fill(fill, purpose, after, [self._line("fill", _executed(fill))])
        self.fills_booked += 1
        self._remember(after)
        self._bus.publish(fill)
        if after != order:
            self._bus.publish(after)
        self._tell_if_late(order, after)

    def purpose_of(self, fill: Fill) -> OrderPurpose:
        """Why the fill's order existed; EXTERNAL when nothing of ours explains it."""
        booked = self._journal.purpose_of(fill)
        if booked is not None:
            return booked
        return self._purpose(
            fill, self._find(fill.account, fill.client_order_id, fill.exchange_order_id)
        )

    def end_missing_foreign(self, account: str, open_ids: set[str], as_of_ms: int) -> None:
        """Foreign orders that the exchange's list of open orders, asked for at `as_of_ms`
        (market time), no longer holds have ended. Ours are asked for one by one instead."""
        for (owner, exchange_order_id), order in list(self._foreign.items()):
            if (
                owner == account
                and exchange_order_id not in open_ids
                and not order.status.is_terminal
                and order.updated_ms < as_of_ms
            ):
                ended = msgspec.structs.replace(
                    order,
                    status=OrderStatus.CANCELLED,
                    updated_ms=as_of_ms,
                    reason=_LEFT_OUT,
                )
                self._foreign[(owner, exchange_order_id)] = ended
                self._bus.publish(ended)

    # --- what nobody of ours explains -------------------------------------------------------

    def tell_external(self, account: str, symbol: str, text: str) -> None:
        """Tell the owner of the bots once per finding; without words where the trader has said
        that he knows."""
        if self._external_told.get((account, symbol)) != text:
            self._external_told[(account, symbol)] = text
            is_known = self._journal.ignored(account, symbol) == text
            self._on_external(account, symbol, "" if is_known else text)

    def ignore_external(self, account: str, symbol: str) -> bool:
        """The trader knows of the finding; False when there is none."""
        text = self._external_told.get((account, symbol))
        if text is not None:
            self._journal.ignore(account, symbol, text)
        return text is not None

    def forget_external(self, account: str, symbol: str) -> None:
        """The symbol is explained again: the next finding is news."""
        self._external_told.pop((account, symbol), None)

    def forget_explained(self, account: str, unexplained: Set[str]) -> None:
        """Every symbol but these is explained again."""
        for owner, symbol in list(self._external_told):
            if owner == account and symbol not in unexplained:
                del self._external_told[(owner, symbol)]

    # --- inside -----------------------------------------------------------------------------

    def _known(self, client_order_id: str) -> Order:
        order = self.order(client_order_id)
        if order is None:
            raise KeyError(f"order {client_order_id} is not in the journal")
        return order

    def _find(self, account: str, client_order_id: str, exchange_order_id: str) -> Order | None:
        if client_order_id:
            order = self.order(client_order_id)
            if order is not None and order.account == account:
                return order
        if not exchange_order_id:
            return None
        for kept in self._unsaved.values():
            if (kept.order.account, kept.order.exchange_order_id) == (account, exchange_order_id):
                return kept.order
        return self._journal.order_by_exchange_id(account, exchange_order_id)

    def _tell_duplicate(self, known: Order, exchange_order_id: str) -> None:
        self._bus.publish(
            Error(
                part="order management",
                text=(
                    f"two orders at the exchange carry the id {known.client_order_id}: "
                    f"{known.exchange_order_id} is ours, {exchange_order_id} is not explained"
                ),
                time_ms=self._clock.time_ms(),
                severity=Severity.DANGER,
                bot_id=known.bot_id,
            )
        )

    def _purpose(self, fill: Fill, order: Order | None) -> OrderPurpose:
        if order is not None:
            return order.purpose
        if fill.exchange_purpose in _EXCHANGE_MADE:
            return _EXCHANGE_MADE[fill.exchange_purpose]
        foreign = self._foreign.get((fill.account, fill.exchange_order_id))
        return OrderPurpose.EXTERNAL if foreign is None else foreign.purpose

    def _hear_foreign(self, word: Order) -> None:
        key = (word.account, word.exchange_order_id or word.client_order_id)
        known = self._foreign.get(key)
        is_stop = not word.client_order_id and word.purpose in _EXCHANGE_MADE.values()
        after = (
            apply_word(known, word)
            if known is not None
            else msgspec.structs.replace(
                word,
                purpose=word.purpose if is_stop else OrderPurpose.EXTERNAL,
                bot_id=self._owner_of(word.account, word.symbol) if is_stop else "",
            )
        )
        if after == known:
            return
        self._foreign[key] = after
        self._foreign.move_to_end(key)
        self._drop_old_foreign()
        self._bus.publish(after)
        if known is None and not is_stop and not after.status.is_terminal:
            whose = (
                "has the shape of our ids but is not in this journal"
                if is_ours(word.client_order_id, self._exchange)
                else "was placed outside this program"
            )
            self.tell_external(
                word.account,
                word.symbol,
                f"{word.symbol}: {word.side.value} order {word.exchange_order_id} "
                f"for {word.quantity} {whose}",
            )

    def _book_foreign(self, fill: Fill, purpose: OrderPurpose) -> None:
        """Funding, exchange-made stops, and what somebody traded by hand."""
        is_external = purpose is OrderPurpose.EXTERNAL and fill.kind is FillKind.TRADE
        owner = "" if is_external else self._owner_of(fill.account, fill.symbol)
        fill = msgspec.structs.replace(fill, bot_id=owner)
        self._journal.add_fill(fill, purpose, None)
        self.fills_booked += 1
        self._bus.publish(fill)
        if is_external:
            self.tell_external(
                fill.account,
                fill.symbol,
                f"{fill.symbol}: {fill.side.value} {fill.quantity} at {fill.price} "
                "was traded outside this program",
            )

    def _drop_old_foreign(self) -> None:
        ended = [key for key, order in self._foreign.items() if order.status.is_terminal]
        for key in ended[:-_ENDED_KEPT]:
            del self._foreign[key]

    def _store(self, before: Order, after: Order, trail: Sequence[TrailLine]) -> None:
        if after == before:
            return
        try:
            self.save_unsaved()
            self._journal.save(after, trail)
        except sqlite3.Error as fault:
            if after.status is OrderStatus.SENT and not self._is_reserved(after):
                # rule 1: from here it may leave, so this has to be on disk
                request = self._journal.request(after.client_order_id)
                if request is None or request.increases_risk:
                    raise
                self._journal.reserve(request)
            self._keep(None, after, trail, fault)
        self._remember(after)
        self._bus.publish(after)
        if after.status is OrderStatus.REJECTED and before.status is not OrderStatus.REJECTED:
            self._bus.publish(
                Reject(
                    client_order_id=after.client_order_id,
                    account=after.account,
                    bot_id=after.bot_id,
                    symbol=after.symbol,
                    side=after.side,
                    quantity=after.quantity,
                    code=after.reject_code,
                    text=after.reason,
                    time_ms=self._clock.time_ms(),
                    is_ours=False,
                )
            )
        self._tell_if_late(before, after)

    def _tell_if_late(self, before: Order, after: Order) -> None:
        """An order that ended by our own conclusion, and that the exchange has after all."""
        if before.status is not OrderStatus.REJECTED or after.status is OrderStatus.REJECTED:
            return
        self._bus.publish(
            Error(
                part="order management",
                text=(
                    f"order {after.client_order_id} was taken for not placed, but the exchange "
                    f"has it: it is {after.status.value}"
                ),
                time_ms=self._clock.time_ms(),
                severity=Severity.DANGER,
                bot_id=after.bot_id,
            )
        )
        if not after.status.is_terminal:
            self._on_late(after)

    # --- a full disk ------------------------------------------------------------------------

    def save_unsaved(self) -> None:
        """Write what the disk had no room for. Raises sqlite3.Error while it has none."""
        if self._unsaved:
            kept = self._unsaved.values()
            self._journal.restore((entry.request, entry.order, entry.trail) for entry in kept)
            self._unsaved.clear()

    def _keep(
        self,
        request: OrderRequest | None,
        order: Order,
        trail: Sequence[TrailLine],
        fault: sqlite3.Error,
    ) -> None:
        kept = self._unsaved.get(order.client_order_id)
        if kept is not None:
            kept.order = order
            kept.trail.extend(trail)
            return
        self._unsaved[order.client_order_id] = _Unsaved(request, order, list(trail))
        log.error("order %s could not be journalled: %s", order.client_order_id, fault)
        text = f"order {order.client_order_id} waits in memory to be written ({fault})"
        self._bus.publish(Error("order management", text, self._clock.time_ms(), Severity.DANGER))

    def _is_reserved(self, order: Order) -> bool:
        kept = self._unsaved.get(order.client_order_id)
        return kept is not None and kept.request is not None

    def _remember(self, order: Order) -> None:
        if order.status.is_terminal:
            self._live.pop(order.client_order_id, None)
        else:
            self._live[order.client_order_id] = order

    def _line(self, step: str, text: str) -> TrailLine:
        return TrailLine(self._clock.time_ms(), step, text)


def _is_another(known: Order, exchange_order_id: str) -> bool:
    """True for a second order at the exchange that carries the client id of ours."""
    return bool(
        known.exchange_order_id
        and exchange_order_id
        and known.exchange_order_id != exchange_order_id
    )


def _progress(order: Order) -> str:
    text = f"{order.status.value} {order.filled_quantity} of {order.quantity}"
    return text if order.average_price is None else f"{text} at {order.average_price}"


def _executed(fill: Fill) -> str:
    return f"{fill.side.value} {fill.quantity} at {fill.price}, fee {fill.fee} ({fill.trade_id})"
