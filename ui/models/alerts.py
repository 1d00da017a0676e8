"""The table of price alerts."""

from __future__ import annotations

from core.models.alerts import AlertState, PriceAlert
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.cells import Figures
from ui.models.table import Cell, Column, TableModel

GO, DELETE = "go", "delete"
STATES = {
    AlertState.WAITING: ("Waiting", "accent"),
    AlertState.FIRED: ("Fired", "t1"),
    AlertState.EXPIRED: ("Expired", "t3"),
}


def price_alerts(bridge: Bridge) -> TableModel[PriceAlert]:
    """Newest figures of `bridge` give the decimals."""
    show = Figures(bridge)

    def state(alert: PriceAlert) -> Cell:
        word, tone = STATES[alert.state]
        hint = "" if alert.fired_ms is None else formatting.stamp(alert.fired_ms)
        times = f" ×{alert.fired_count}" if alert.fired_count > 1 else ""
        return Cell(tr(word) + times, tone, tool_tip=hint)

    def when(alert: PriceAlert) -> Cell:
        return Cell(tr("rises to") if alert.waits_for_rise else tr("falls to"), "t2")

    def until(alert: PriceAlert) -> Cell:
        expires_ms = alert.wish.expires_ms
        text = tr("no end") if expires_ms is None else formatting.date_time(expires_ms)
        return Cell(text, "t2")

    columns: list[Column[PriceAlert]] = [
        Column(
            "Symbol", lambda a: Cell(a.wish.symbol, weight=600), 110, lambda a: a.wish.symbol,
            stretch=1,
        ),
        Column("When it", when, 90),
        Column(
            "Price", lambda a: show.price(a.wish.symbol, a.wish.price), 100,
            lambda a: a.wish.price, right=True,
        ),
        Column("How often", lambda a: Cell(tr("always" if a.wish.repeats else "once"), "t2"), 84),
        Column("Until", until, 140, lambda a: a.wish.expires_ms or 0),
        Column("State", state, 96, lambda a: a.state),
        Column("", lambda _a: Cell(tr("Go to chart"), "accent", action=GO), 100),
        Column("", lambda _a: Cell(tr("Delete"), "accent", action=DELETE), 76, right=True),
    ]  # fmt: skip
    return TableModel(columns, key=lambda a: a.alert_id)
