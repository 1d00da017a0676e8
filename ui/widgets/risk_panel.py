"""Risk limits: each rule's bar, and whether trading is allowed."""

from __future__ import annotations

from PyQt6.QtWidgets import QVBoxLayout

from core.snapshots import EngineSnapshot, RiskLimit, RiskSnapshot, TradingState
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.plain import tip
from ui.widgets.basic import (
    INSET,
    KeyValue,
    LimitRow,
    Panel,
    ThemedIcon,
    label,
    rule,
    show_value,
)

_STATES = {
    TradingState.ACTIVE: ("shield-check", "t2", "Trading allowed"),
    TradingState.REDUCING: ("shield-alert", "warn", "Exits only"),
    TradingState.HALTED: ("shield-x", "danger", "Trading stopped"),
}


def limit_texts(limit: RiskLimit) -> tuple[str, str]:
    """("17.6", " / 20 %"): used and limit as the bar's row writes them."""
    if limit.unit != "%":
        return formatting.number(limit.used, 0), f"/ {formatting.number(limit.limit, 0)}"
    decimals = 1 if limit.used >= 10 else 2
    most = formatting.number(limit.limit, 0 if limit.limit == int(limit.limit) else 2)
    return formatting.number(limit.used, decimals), f"/ {most} %"


class RiskPanel(Panel):
    """Of the account that is stopped furthest; on a page of one account (`is_of_page`), of that
    one, and with what happens when a limit is reached."""

    def __init__(self, bridge: Bridge, is_of_page: bool = False) -> None:
        super().__init__("Risk limits")
        self._bridge, self._is_of_page = bridge, is_of_page
        self._state_icon = ThemedIcon("shield-check", "t2")
        self._state_icon.hide()
        self._state = label("label")
        self.head.addWidget(self._state_icon)
        self.head.addWidget(self._state)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self._rows: dict[str, LimitRow] = {}
        self._list = QVBoxLayout()
        self._list.setContentsMargins(INSET, 2, INSET, 8)
        self._list.setSpacing(8)
        self.body.addLayout(self._list)
        self._consequences: dict[str, KeyValue] | None = {} if is_of_page else None
        self._reason = label("label", tone="warn")
        self._reason.setWordWrap(True)
        self._reason.setContentsMargins(INSET, 0, INSET, 8)
        self._reason.hide()
        self.body.addWidget(self._reason)
        self._notes = QVBoxLayout()
        self._notes.setContentsMargins(INSET, 4, INSET, INSET)
        self._notes.setSpacing(0)
        if is_of_page:
            self._notes.addWidget(rule())
            self._notes.addSpacing(8)
            self._notes.addWidget(label("caption", "When a limit is reached"))
            self._notes.addSpacing(2)
        self.body.addLayout(self._notes)
        self.body.addStretch(1)
        bridge.snapshot_changed.connect(self._take)
        if bridge.snapshot is not None:
            self._show(bridge.snapshot)

    def _take(self, snapshot: EngineSnapshot) -> None:
        if self.isVisible():
            self._show(snapshot)

    def _show(self, snapshot: EngineSnapshot) -> None:
        of_page = self._bridge.risk_in_view() if self._is_of_page else None
        self.show_risk(of_page or snapshot.risk)

    def show_risk(self, risk: RiskSnapshot) -> None:
        icon, tone, text = _STATES[risk.state]
        self._state_icon.show_icon(icon, tone)
        self._state_icon.show()
        show_value(self._state, tr(text), tone)
        show_value(self._reason, sentence(risk.reason), "warn" if tone == "warn" else "danger")
        self._reason.setVisible(risk.state is not TradingState.ACTIVE and bool(risk.reason))
        self._state.setToolTip(tip(f"{risk.state.value.upper()} {sentence(risk.reason)}".strip()))
        for limit in risk.limits:
            shown = self._rows.get(limit.name)
            if shown is None:
                shown = self._rows[limit.name] = LimitRow()
                self._list.addWidget(shown)
            ratio = limit.used / limit.limit if limit.limit else 0.0
            used, most = limit_texts(limit)
            shown.show_limit(self._name(limit), used, most, ratio)
            shown.setToolTip(tip(sentence(limit.consequence)))
            if self._consequences is not None:
                self._show_consequence(limit, most)

    def _show_consequence(self, limit: RiskLimit, most: str) -> None:
        assert self._consequences is not None
        line = self._consequences.get(limit.name)
        if line is None:
            line = self._consequences[limit.name] = KeyValue("", height=20)
            self._notes.addWidget(line)
        show_value(line.name, f"{self._name(limit)} {most.removeprefix('/ ')}")
        show_value(line.value, sentence(limit.consequence))

    @staticmethod
    def _name(limit: RiskLimit) -> str:
        return tr(words.RULES.get(limit.name, limit.name))
