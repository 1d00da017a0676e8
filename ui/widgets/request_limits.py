"""Request limits: each family's use of what we allow ourselves, what waits, and what is blocked.

The panel has a bar per limit; its sheet has every figure of them.
"""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from core.snapshots import LimiterSnapshot
from ui import formatting, tasks
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.plain import tip
from ui.widgets.basic import (
    INSET,
    LimitRow,
    Panel,
    Stat,
    clear,
    label,
    rule,
    show_value,
)
from ui.widgets.buttons import TextButton


def limit_name(limit: LimiterSnapshot) -> str:
    """`Bybit · new orders · main`: exchange, family, and the account where it is one's own."""
    family = tr(words.REQUEST_FAMILIES.get(limit.family, limit.family))
    parts = [words.exchange_name(limit.exchange), family]
    return " · ".join([*parts, limit.account] if limit.account else parts)


def limit_note(limit: LimiterSnapshot) -> str:
    """What a request has to expect: blocked, queued, a wait."""
    if limit.blocked_ms:
        return tr("blocked for {time}", time=formatting.duration(limit.blocked_ms))
    if limit.waiting:
        return tr("{n} waiting", n=limit.waiting)
    return tr("wait {n} ms", n=formatting.number(limit.wait_ms, 0))


def limit_tool_tip(limit: LimiterSnapshot) -> str:
    """Every figure of one limit."""
    lines = [
        tr(
            "{used} of {allowed} in {window}; the exchange allows {published}",
            used=limit.used,
            allowed=limit.allowed,
            window=formatting.duration(limit.window_ms),
            published=limit.published,
        ),
        tr("empty again in {time}", time=formatting.duration(limit.reset_ms)),
        tr(
            "{total} sent, {held} held back, {refused} refused",
            total=f"{limit.total_requests:,}",
            held=f"{limit.held_back:,}",
            refused=f"{limit.refused_by_exchange:,}",
        ),
    ]
    return "\n".join(lines)


class RequestLimits(QWidget):
    """A bar per family of requests: used of the 80 % we allow ourselves, in the last window."""

    def __init__(self, bridge: Bridge, with_totals: bool = True) -> None:
        super().__init__()
        self._rows: dict[tuple[str, str, str], LimitRow] = {}
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        self._requests, self._held = Stat("Requests"), Stat("Held back")
        self._refused = Stat("Refused by exchange")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(INSET, 2, INSET, INSET)
        outer.setSpacing(0)
        outer.addLayout(self._list)
        if with_totals:
            outer.addSpacing(10)
            outer.addWidget(rule())
            outer.addSpacing(10)
            totals = QHBoxLayout()
            for stat in (self._requests, self._held, self._refused):
                totals.addWidget(stat, 1)
            outer.addLayout(totals)
        outer.addStretch(1)
        bridge.limiter.changed.connect(self.show_limits)
        self.show_limits(bridge.limiter.latest)

    def row_of(self, exchange: str, account: str, family: str) -> LimitRow:
        """The bar of one limit. Raises KeyError where it was never drawn on."""
        return self._rows[exchange, account, family]

    def show_limits(self, limits: list[LimiterSnapshot]) -> None:
        keys = [(limit.exchange, limit.account, limit.family) for limit in limits]
        if keys != list(self._rows):
            clear(self._list)
            self._rows = {key: LimitRow() for key in keys}
            for made in self._rows.values():
                self._list.addWidget(made)
        for limit in limits:
            used = formatting.percent(limit.used_ratio, 0, sign=False)
            shown = self._rows[limit.exchange, limit.account, limit.family]
            ratio = 1.0 if limit.blocked_ms else limit.used_ratio
            shown.show_limit(limit_name(limit), used, "", ratio, limit_note(limit))
            shown.setToolTip(tip(limit_tool_tip(limit)))
        if not limits:
            return
        show_value(self._requests.value, f"{sum(x.total_requests for x in limits):,}")
        show_value(self._held.value, f"{sum(x.held_back for x in limits):,}")
        refused = sum(x.refused_by_exchange for x in limits)
        show_value(self._refused.value, f"{refused:,}", "danger" if refused else "t1")


class RequestLimitsPanel(Panel):
    """The bars, scrolled where there are many, and a way to all figures."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Request limits")
        self.limits = RequestLimits(bridge, with_totals=False)
        self.limits.setProperty("role", "page")
        self.head.addWidget(label("caption", "of 80 % of the limit"))
        self.details = TextButton("Details", kind="link")
        self.details.clicked.connect(lambda: tasks.spawn(self._show_details(bridge)))
        self.head.addWidget(self.details)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self.limits)
        self.body.addWidget(scroll, 1)
        self.setMinimumHeight(120)

    async def _show_details(self, bridge: Bridge) -> None:
        from ui.dialogs.request_limits import RequestLimitsSheet

        await RequestLimitsSheet(self.window() or self, bridge).ask()
