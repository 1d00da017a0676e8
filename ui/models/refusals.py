"""Every no to an order: which rule or exchange said it, with its numbers, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from core.models.orders import OrderStatus, Side
from core.snapshots import FeedItem, Notice, OrderRecord
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.cells import MEDIUM, Figures, side_cell, time_cell
from ui.models.table import Cell, Column, TableModel

_REFUSED_ORDER = re.compile(r"(\S+) (buy|sell) (\S+): (.+)")
_NOES = (OrderStatus.DENIED, OrderStatus.REJECTED)


class Refusal(NamedTuple):
    """`is_ours`: denied by us, nothing was sent; else rejected by the exchange. `side` and
    `quantity` are None where the order was refused before it was one."""

    key: str
    time_ms: int
    bot_id: str
    symbol: str
    side: Side | None
    quantity: Decimal | None
    code: str
    text: str
    is_ours: bool
    client_order_id: str


def refusals(items: Iterable[FeedItem]) -> list[Refusal]:
    """Newest first. A journalled order's own record tells more than its notice."""
    found: dict[str, Refusal] = {}
    for item in items:
        record = item.record
        if isinstance(record, OrderRecord) and record.order.status in _NOES:
            order = record.order
            key = order.client_order_id or order.exchange_order_id
            found[key] = Refusal(
                key, order.updated_ms, order.bot_id, order.symbol, order.side, order.quantity,
                order.reject_code, order.reason, order.status is OrderStatus.DENIED,
                order.client_order_id,
            )  # fmt: skip
        elif isinstance(record, Notice) and record.code:
            key = record.client_order_id or str(item.seq)
            text = record.text.partition(": ")[2] or record.text
            if key not in found:
                found[key] = Refusal(
                    key, item.time_ms, record.bot_id, record.symbol, None, None, record.code,
                    text, record.title == "Denied", "",
                )  # fmt: skip
    return sorted(found.values(), key=lambda r: r.time_ms, reverse=True)


def notice_words(notice: Notice) -> str:
    """A notice's sentence in the trader's language; a refused order's begins with the order."""
    return formatting.veiled(_notice_words(notice))


def _notice_words(notice: Notice) -> str:
    found = _REFUSED_ORDER.fullmatch(notice.text) if notice.code else None
    if found is None:
        return sentence(notice.text)
    symbol, side, size, why = found.groups()
    order = tr("{side} {size} {symbol}", side=tr(words.SIDES[Side(side)]), size=size, symbol=symbol)
    return f"{order}: {sentence(why)}"


def rule_name(refusal: Refusal) -> str:
    """The rule in words, or the exchange's own code."""
    known = words.RULES.get(refusal.code)
    return tr(known) if known else refusal.code


def advice(code: str) -> str:
    """What a refusal means and what to do, one sentence; "" for a code that is not ours."""
    known = words.ADVICE.get(code)
    return tr(known) if known else ""


def explained(refusal: Refusal) -> str:
    """The whole of it in two sentences."""
    numbers = sentence(refusal.text)
    numbers = numbers[:1].upper() + numbers[1:]
    closed = numbers if numbers.endswith(".") or not numbers else f"{numbers}."
    return " ".join(part for part in (closed, advice(refusal.code)) if part)


def refused(bridge: Bridge) -> TableModel[Refusal]:
    show = Figures(bridge)

    def by(row: Refusal) -> Cell:
        word, tone = ("Denied", "warn") if row.is_ours else ("Rejected", "danger")
        return Cell(tr(word), tone, MEDIUM)

    columns: list[Column[Refusal]] = [
        Column("Time", lambda r: time_cell(r.time_ms), 84, lambda r: r.time_ms),
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 96, lambda r: r.symbol),
        Column("Side", lambda r: side_cell(r.side, words.SIDES), 64),
        Column("Size", lambda r: show.quantity(r.symbol, r.quantity), 84, lambda r: r.quantity,
               right=True),
        Column("State", by, 88, lambda r: r.is_ours),
        Column("Rule", lambda r: Cell(rule_name(r), "t1", tool_tip=r.code, plain=r.code), 148,
               lambda r: r.code),
        Column("Why", lambda r: Cell(sentence(r.text), "t2", tool_tip=explained(r)), 220,
               stretch=3),
        Column("What to do", lambda r: Cell(advice(r.code), "t3", tool_tip=explained(r)), 200,
               stretch=2, drop=True),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.key)
