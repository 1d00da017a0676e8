"""Who holds the capital: taken apart by symbol or by bot, each part to be opened in its turn.

The parts of a whole always add up to it, exactly: nothing is rounded before it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from core.capital.book import EXTERNAL_OWNER, IMPORTED_OWNER, MANUAL_OWNER
from core.snapshots import CapitalSlice, CapitalSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

BY_SYMBOL, BY_BOT = "By symbol", "By bot"
VIEWS = (BY_SYMBOL, BY_BOT)
LOCKED, RESERVED, BOTH = "locked", "reserved", "both"
_STATES = {LOCKED: "Locked", RESERVED: "Reserved", BOTH: "Locked and reserved"}
_OWNERS = {
    MANUAL_OWNER: "By hand",
    EXTERNAL_OWNER: "External",
    IMPORTED_OWNER: "Taken over",
    "": "By hand",
}
_MEDIUM = 500


class Part(NamedTuple):
    """What one symbol or bot holds, in quote currency. `symbols` and `bots` are those in it;
    `pnl` is the sum of what is known, None where nothing is."""

    key: str
    symbols: tuple[str, ...]
    bots: tuple[str, ...]
    amount: Decimal
    share: Decimal  # of the total, 0..1
    pnl: Decimal | None
    state: str


def parts(capital: CapitalSnapshot, view: str, within: str = "") -> list[Part]:
    """The largest first. `within` is the key of a part of this view: what it is made of."""
    slices = list(capital.slices)
    if within:
        slices = [held for held in slices if _key(held, view) == within]
        view = BY_BOT if view == BY_SYMBOL else BY_SYMBOL
    groups: dict[str, list[CapitalSlice]] = {}
    for held in slices:
        groups.setdefault(_key(held, view), []).append(held)
    made = [_part(key, group, capital.total) for key, group in groups.items()]
    return sorted(made, key=lambda part: (-part.amount, part.key))


def _key(held: CapitalSlice, view: str) -> str:
    return held.symbol if view == BY_SYMBOL else held.bot_id


def _part(key: str, group: Sequence[CapitalSlice], total: Decimal) -> Part:
    amount = sum((held.amount for held in group), Decimal(0))
    known = [held.unrealized_pnl for held in group if held.unrealized_pnl is not None]
    states = {held.state for held in group}
    return Part(
        key=key,
        symbols=tuple(sorted({held.symbol for held in group})),
        bots=tuple(sorted({held.bot_id for held in group})),
        amount=amount,
        share=amount / total if total > 0 else Decimal(0),
        pnl=sum(known, Decimal(0)) if known else None,
        state=states.pop() if len(states) == 1 else BOTH,
    )


def bot_name(bridge: Bridge, bot_id: str) -> str:
    link = bridge.bots.get(bot_id)
    if link is not None:
        bot = link.latest
        return f"{bot.title} {bot.timeframe}" if bot.symbol else bot.title
    return tr(_OWNERS[bot_id]) if bot_id in _OWNERS else bot_id


def holdings(
    bridge: Bridge, view: Callable[[], str], limit: Callable[[], float]
) -> TableModel[Part]:
    """`view` is what a row stands for; `limit` gives the largest share (0..1) it may have."""

    def title(row: Part) -> Cell:
        text = row.key if view() == BY_SYMBOL else bot_name(bridge, row.key)
        return Cell(text, weight=600, tool_tip=tr("Click to see what it is made of."))

    def inside(row: Part) -> Cell:
        names = (
            [bot_name(bridge, bot_id) for bot_id in row.bots]
            if view() == BY_SYMBOL
            else list(row.symbols)
        )
        text = ", ".join(names)
        return Cell(text, "t2", tool_tip=text)

    def used(row: Part) -> float:
        most = limit()
        return float(row.share) / most if most > 0 else 0.0

    def pnl(row: Part) -> Cell:
        if row.pnl is None:
            return Cell(formatting.UNKNOWN, "t3")
        arrow = 0 if row.pnl == 0 else (1 if row.pnl > 0 else -1)
        text = formatting.money(row.pnl, bridge.capital.currency, sign=True)
        return Cell(text, tone_of(row.pnl), _MEDIUM, arrow=arrow)

    columns: list[Column[Part]] = [
        Column("Held by", title, 84, lambda r: r.key, stretch=1),
        Column("Inside", inside, 92, stretch=1),
        Column("Amount", lambda r: Cell(formatting.money(r.amount, bridge.capital.currency),
               weight=_MEDIUM), 84,
               lambda r: r.amount, right=True),
        Column("Share of limit", lambda r: Cell("", "warnf" if used(r) >= 0.8 else "accent",
               bar=used(r)), 95, lambda r: r.share),
        Column("", lambda r: Cell(formatting.percent(r.share, 1, sign=False),
               "warn" if used(r) >= 0.8 else "t1", _MEDIUM), 64, right=True),
        Column("PnL", pnl, 76, lambda r: r.pnl, right=True),
        Column("State", lambda r: Cell(tr(_STATES[r.state]),
               "accent" if r.state == RESERVED else "t1", tool_tip=tr(_STATES[r.state])), 78),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.key)
