"""Every figure of every request limit."""

from __future__ import annotations

from core.snapshots import LimiterSnapshot
from ui import formatting
from ui.i18n import tr
from ui.models import words
from ui.models.table import Cell, Column, TableModel

_NEAR = 0.8


def request_limits() -> TableModel[LimiterSnapshot]:
    """Use, waits, refusals, and until when a limit is blocked."""

    def family(row: LimiterSnapshot) -> Cell:
        name = tr(words.REQUEST_FAMILIES.get(row.family, row.family))
        return Cell(name, weight=600)

    def exchange(row: LimiterSnapshot) -> Cell:
        return Cell(words.exchange_name(row.exchange), "t2")

    def whose(row: LimiterSnapshot) -> Cell:
        return Cell(row.account or tr("this address"), "t2")

    def used(row: LimiterSnapshot) -> Cell:
        tone = "danger" if row.used_ratio >= 1 else "warn" if row.used_ratio >= _NEAR else "t1"
        icon = "triangle-alert" if row.used_ratio >= _NEAR else ""
        return Cell(f"{row.used:,} / {row.allowed:,}", tone, 500, icon=icon)

    def published(row: LimiterSnapshot) -> Cell:
        window = formatting.duration(row.window_ms)
        return Cell(tr("{n} in {time}", n=f"{row.published:,}", time=window), "t2")

    def reset(row: LimiterSnapshot) -> Cell:
        return Cell(formatting.age(row.reset_ms) if row.reset_ms else tr("empty"), "t2")

    def waiting(row: LimiterSnapshot) -> Cell:
        return Cell(f"{row.waiting:,}", "warn" if row.waiting else "t3")

    def wait(row: LimiterSnapshot) -> Cell:
        return Cell(f"{row.wait_ms:,.0f} / {row.avg_wait_ms:,.1f} ms", "t2")

    def total(row: LimiterSnapshot) -> Cell:
        return Cell(f"{row.total_requests:,}")

    def held(row: LimiterSnapshot) -> Cell:
        return Cell(f"{row.held_back:,}", "t1" if row.held_back else "t3")

    def refused(row: LimiterSnapshot) -> Cell:
        return Cell(f"{row.refused_by_exchange:,}", "danger" if row.refused_by_exchange else "t3")

    def blocked(row: LimiterSnapshot) -> Cell:
        if not row.blocked_ms:
            return Cell(tr("no"), "t3")
        return Cell(formatting.duration(row.blocked_ms), "danger", 500, icon="circle-x")

    columns: list[Column[LimiterSnapshot]] = [
        Column("Requests", family, 120, lambda r: r.family, stretch=1),
        Column("Exchange", exchange, 80, lambda r: r.exchange),
        Column("Account", whose, 96, lambda r: r.account),
        Column("Used", used, 108, lambda r: r.used_ratio, right=True),
        Column("Allowed by exchange", published, 132, lambda r: r.published, right=True),
        Column("Empty in", reset, 76, lambda r: r.reset_ms, right=True),
        Column("Waiting", waiting, 70, lambda r: r.waiting, right=True),
        Column("Wait now / average", wait, 132, lambda r: r.wait_ms, right=True),
        Column("Sent", total, 70, lambda r: r.total_requests, right=True),
        Column("Held back", held, 78, lambda r: r.held_back, right=True),
        Column("Refused", refused, 70, lambda r: r.refused_by_exchange, right=True),
        Column("Blocked for", blocked, 96, lambda r: r.blocked_ms, right=True),
    ]
    return TableModel(columns, key=lambda r: (r.exchange, r.account, r.family))
