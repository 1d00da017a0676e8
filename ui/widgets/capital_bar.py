"""Where the capital is: one bar of four parts that add up to the total, with the cap marked."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from core.snapshots import CapitalSlice, CapitalSnapshot, EngineSnapshot
from ui import fonts, formatting, tasks, theme
from ui.bridge import Bridge
from ui.dialogs.ledger_difference import LedgerDifferenceDialog
from ui.i18n import tr
from ui.widgets.basic import (
    INSET,
    ElidedLabel,
    Panel,
    ThemedIcon,
    label,
    row,
    show_value,
    value_label,
)
from ui.widgets.buttons import TextButton

_PARTS = (
    ("Locked in positions", "accent"),
    ("Reserved for orders", "reserved"),
    ("Free to use", "free"),
    ("Kept, never used", "kept"),
)


def parts_of(capital: CapitalSnapshot) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """(locked, reserved, free to use, kept): always the total, whatever the rounding."""
    kept = capital.free - capital.available
    return capital.locked, capital.reserved, capital.available, kept


class _Bar(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(44)
        self._shares: list[float] = []
        self._cap = 0.8

    def show_shares(self, shares: list[float], cap: float) -> None:
        if (shares, cap) != (self._shares, self._cap):
            self._shares, self._cap = shares, cap
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        width, top, height = float(self.width()), 18.0, 22.0
        x = 0.0
        for share, (_, token) in zip(self._shares, _PARTS, strict=False):
            part = share * width
            if part >= 1:
                painter.setBrush(theme.color(token))
                painter.drawRoundedRect(QRectF(x, top, max(part - 2, 1), height), 3, 3)
            x += part
        cap_x = self._cap * width
        painter.setBrush(theme.color("t1"))
        painter.drawRect(QRectF(cap_x - 1, top - 6, 2, height + 12))
        text = tr("{n} % cap", n=f"{self._cap * 100:.0f}")
        painter.setFont(theme.font(11, 600))
        painter.setPen(theme.color("t1"))
        advance = fonts.metrics(11, 600).horizontalAdvance(text)
        painter.drawText(round(cap_x - advance - 6), fonts.baseline(8, 11, 600), text)


class _Legend(QWidget):
    def __init__(self, name: str, token: str) -> None:
        super().__init__()
        self._note = ElidedLabel("caption")
        self._amount, self._share = value_label("title", right=False), label("label")
        swatch = _Swatch(token)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(4)
        head = row(swatch, label("label", name), 4, spacing=8)
        head.addWidget(self._note, 1)
        lines.addLayout(head)
        lines.addLayout(row(16, self._amount, self._share, None, spacing=0))
        self._share.setContentsMargins(8, 0, 0, 0)

    def show_part(self, amount: str, share: str, note: str) -> None:
        show_value(self._amount, amount)
        show_value(self._share, share)
        self._note.show_text(note)


class _Swatch(QWidget):
    def __init__(self, token: str) -> None:
        super().__init__()
        self.setFixedSize(8, 8)
        self._token = token

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(self._token))
        painter.drawRoundedRect(QRectF(self.rect()), 2, 2)


class CapitalBar(Panel):
    """138 px."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Where the capital is")
        self.setFixedHeight(138)
        self._check, self._sum = ThemedIcon("circle-check", "t2"), label("value")
        self._sum.setObjectName("adds_up")
        self._bridge = bridge
        self.difference = TextButton("Ledger difference", kind="link")
        self.difference.clicked.connect(self._explain)
        self.difference.hide()
        self.head.addWidget(self.difference)
        self.head.addSpacing(12)
        self.head.addWidget(self._check)
        self.head.addWidget(self._sum)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self._bar = _Bar()
        self._legends = [_Legend(name, token) for name, token in _PARTS]
        inner = QVBoxLayout()
        inner.setContentsMargins(INSET, 0, INSET, INSET)
        inner.setSpacing(6)
        inner.addWidget(self._bar)
        line = QHBoxLayout()
        line.setSpacing(16)
        for legend in self._legends:
            line.addWidget(legend, 1)
        inner.addLayout(line)
        self.body.addLayout(inner)
        bridge.capital.changed.connect(self.show_capital)
        bridge.snapshot_changed.connect(self._show_difference)
        if bridge.snapshot is not None:
            self._show_difference(bridge.snapshot)
        if bridge.capital.latest is not None:
            self.show_capital(bridge.capital.latest)

    def _show_difference(self, snapshot: EngineSnapshot) -> None:
        """A way to the explanation while ledger and exchange do not agree."""
        self.difference.setVisible(any(account.ledger_error for account in snapshot.accounts))

    def _explain(self) -> None:
        snapshot = self._bridge.snapshot
        for account in snapshot.accounts if snapshot is not None else []:
            if account.ledger_error:
                dialog = LedgerDifferenceDialog(self.window() or self, self._bridge, account)
                tasks.spawn(_tell(dialog))
                return

    def show_capital(self, capital: CapitalSnapshot) -> None:
        parts = parts_of(capital)
        total = capital.total
        shares = [max(0.0, float(p / total)) if total > 0 else 0.0 for p in parts]
        self._bar.show_shares(shares, float(capital.cap_ratio))
        self._show_sum(capital, sum(parts, Decimal(0)))
        notes = (
            _held_by(capital.slices, "locked", capital.currency),
            _held_by(capital.slices, "reserved", capital.currency),
            tr("the only part a new order can take"),
            tr("{n} % of total", n=f"{(1 - capital.cap_ratio) * 100:.0f}"),
        )
        for legend, part, share, note in zip(self._legends, parts, shares, notes, strict=True):
            amount = formatting.money(part, capital.currency)
            legend.show_part(amount, formatting.percent(share, 1, sign=False), note)

    def _show_sum(self, capital: CapitalSnapshot, added: Decimal) -> None:
        off = capital.total - added
        total = formatting.money(capital.total, capital.currency)
        if off == 0:
            text = tr("Adds up to {sum} {currency}", sum=total, currency=capital.currency)
            show_value(self._sum, text, "t1")
            self._check.show_icon("circle-check", "t2")
        else:
            text = tr("Off by {sum} {currency}", sum=f"{off:f}", currency=capital.currency)
            show_value(self._sum, text, "danger")
            self._check.show_icon("circle-x", "danger")


async def _tell(dialog: LedgerDifferenceDialog) -> None:
    result = await dialog.ask_and_book()
    if result is not None:
        tasks.tell(result)


def _held_by(slices: list[CapitalSlice], state: str, currency: str) -> str:
    held = [s for s in slices if s.state == state]
    return " · ".join(f"{s.symbol} {formatting.money(s.amount, currency)}" for s in held)
