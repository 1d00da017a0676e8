"""Small parts that every panel is made of: labels by role, panels, dots, bars, figures."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ui import fonts, formatting, i18n, icons, theme
from ui.plain import tip

GUTTER = 4
INSET = 12
_NEAR = 0.80  # of a limit


def label(role: str, text: str = "", tone: str = "") -> QLabel:
    """A label styled by `role`; `text` is English and stays bound to the language."""
    made = QLabel()
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("role", role)
    if tone:
        made.setProperty("tone", tone)
    if text:
        i18n.set_text(made, text)
    return made


def value_label(role: str = "value", right: bool = True) -> QLabel:
    """A label whose text is set by `show_value`."""
    made = label(role)
    if right:
        made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return made


def show_value(target: QLabel, text: str, tone: str | None = None) -> None:
    """Set text and tone, touching the widget only where something differs."""
    if target.text() != text:
        target.setText(text)
    if tone is not None:
        theme.set_property(target, "tone", tone)


def show_plate(target: QLabel, text: str, kind: str, name: str) -> None:
    """Text of a badge or pill; `kind` is the property ("badge", "pill"), `name` its value."""
    theme.set_property(target, kind, name)
    if target.text() != text:
        target.setText(text)
        spacing = 0.6 * len(text) if kind == "badge" else 0.0
        width = fonts.metrics(12, 600).horizontalAdvance(text) + spacing
        target.setFixedWidth(math.ceil(width) + 16)


def row(*parts: QWidget | int | None, spacing: int = 8) -> QHBoxLayout:
    """Widgets side by side; an int is a gap in px, None takes the free room."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    _fill(made, parts)
    return made


def column(*parts: QWidget | int | None, spacing: int = 0) -> QVBoxLayout:
    """Widgets one under the other; as `row`."""
    made = QVBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    _fill(made, parts)
    return made


def _fill(box: QHBoxLayout | QVBoxLayout, parts: tuple[QWidget | int | None, ...]) -> None:
    for part in parts:
        if part is None:
            box.addStretch(1)
        elif isinstance(part, int):
            box.addSpacing(part)
        else:
            box.addWidget(part)


def rule() -> QFrame:
    made = QFrame()
    made.setProperty("role", "rule")
    return made


class Divider(QWidget):
    """A hairline between things that stand beside each other."""

    def __init__(self, height: int = 16) -> None:
        super().__init__()
        self.setFixedSize(1, height)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        QPainter(self).fillRect(self.rect(), theme.color("line2"))


def clear(layout: QLayout) -> None:
    """Remove and delete everything in `layout`."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()


class Panel(QFrame):
    """A panel with a title row of 34 px. Attributes: head (right of the title), body."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "panel")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self.head = QHBoxLayout()
        self.head.setContentsMargins(INSET, 0, 8, 0)
        self.head.setSpacing(8)
        if title:
            top = QWidget()
            top.setFixedHeight(34)
            top.setLayout(self.head)
            self.head.addWidget(label("title", title))
            self.head.addStretch(1)
            outer.addWidget(top)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(0)
        outer.addLayout(self.body, 1)


class ThemedIcon(QLabel):
    """An icon that follows the theme."""

    def __init__(self, name: str, color: str = "t2", size: int = 14) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._look = (name, color, size)
        self._paint_again()
        theme.changed.connect(self._paint_again)

    def show_icon(self, name: str, color: str) -> None:
        look = (name, color, self._look[2])
        if look != self._look:
            self._look = look
            self._paint_again()

    def _paint_again(self) -> None:
        self.setPixmap(icons.pixmap(*self._look))


class StateDot(QWidget):
    """8 px: filled accent for running, hollow for paused or stopped, danger for an error."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(8, 8)
        self._filled, self._token = False, "t3"

    def show_state(self, state: str) -> None:
        looks = {
            "running": (True, "accent"),
            "connected": (True, "accent"),
            "starting": (True, "t3"),
            "stopping": (True, "t3"),
            "error": (True, "danger"),
            "lost": (True, "danger"),
            "waiting": (True, "warnf"),
        }
        look = looks.get(state, (False, "t3"))
        if look != (self._filled, self._token):
            self._filled, self._token = look
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        hue = theme.color(self._token)
        if self._filled:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(hue)
            painter.drawEllipse(QRectF(0.5, 0.5, 7, 7))
        else:
            painter.setPen(QPen(hue, 1.5))
            painter.drawEllipse(QRectF(1.25, 1.25, 5.5, 5.5))


class ShareBar(QWidget):
    """A 4 px bar, `ratio` 0..1 of it filled in the token's colour."""

    def __init__(self, height: int = 4) -> None:
        super().__init__()
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._ratio, self._token = 0.0, "t3"

    def show_ratio(self, ratio: float, token: str = "t3") -> None:
        ratio = min(max(ratio, 0.0), 1.0)
        if (ratio, token) != (self._ratio, self._token):
            self._ratio, self._token = ratio, token
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        area = QRectF(self.rect())
        painter.setBrush(theme.color("track"))
        painter.drawRoundedRect(area, 2, 2)
        if self._ratio > 0:
            area.setWidth(max(3.0, area.width() * self._ratio))
            painter.setBrush(theme.color(self._token))
            painter.drawRoundedRect(area, 2, 2)


class LimitRow(QWidget):
    """Name left, used / limit right, bar below: t3, from 80 % yellow with an icon, at 100 %
    danger."""

    def __init__(self) -> None:
        super().__init__()
        self._name = label("label")
        self._icon = ThemedIcon("triangle-alert", "warn", 14)
        self._icon.hide()
        self._note = value_label("caption")
        self._used = value_label("value")
        self._limit = value_label("label")
        self._limit.setProperty("tone", "t3")
        self._bar = ShareBar()
        outer = column(spacing=3)
        outer.addLayout(
            row(self._name, self._icon, None, self._note, 8, self._used, self._limit, spacing=4)
        )
        outer.addWidget(self._bar)
        self.setLayout(outer)
        self.setFixedHeight(24)

    def show_limit(self, name: str, used: str, limit: str, ratio: float, note: str = "") -> None:
        near, full = ratio >= _NEAR, ratio >= 1.0
        show_value(self._name, name)
        show_value(self._used, used, "danger" if full else "warn" if near else "t1")
        show_value(self._limit, limit)
        show_value(self._note, note)
        self._limit.setVisible(bool(limit))
        self._note.setVisible(bool(note))
        self._icon.setVisible(near)
        if near:
            self._icon.show_icon("triangle-alert", "danger" if full else "warn")
        self._bar.show_ratio(ratio, "danger" if full else "warnf" if near else "t3")


class Veil(QWidget):
    """Greys everything under it without taking the mouse from it: these numbers are old."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
            self.show()
            self.raise_()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        QPainter(self).fillRect(self.rect(), theme.color("e0", 0.5))


class KeyValue(QWidget):
    """Label left, value right, 24 px."""

    def __init__(self, name: str, height: int = 24) -> None:
        super().__init__()
        self.name = label("label", name)
        self.value = value_label()
        show_value(self.value, formatting.UNKNOWN)
        self.setLayout(row(self.name, None, self.value))
        self.setFixedHeight(height)


class Stat(QWidget):
    """Caption above, value below: a column of the header."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.caption = label("caption", name)
        self.value = value_label(right=False)
        show_value(self.value, formatting.UNKNOWN)
        self.setLayout(column(None, self.caption, self.value, None, spacing=3))


class ChangeLabel(QLabel):
    """A signed figure with its arrow ▲▼ at half the figure's size before it."""

    def __init__(self, role: str, right: bool = False) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self._direction = 0

    def show_change(self, text: str, direction: int, tone: str) -> None:
        """`direction` > 0 draws ▲, < 0 ▼, 0 none."""
        show_value(self, text, tone)
        direction = (direction > 0) - (direction < 0)
        if direction != self._direction:
            self._direction = direction
            self.setContentsMargins(self._arrow_width() + 5 if direction else 0, 0, 0, 0)
            self.update()

    def _arrow_width(self) -> int:
        return max(6, round(self.fontMetrics().capHeight() * 0.62))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        if not self._direction:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(self.foregroundRole()))
        width = self._arrow_width()
        x = 0.0
        if self.alignment() & Qt.AlignmentFlag.AlignRight:
            x = self.width() - self.fontMetrics().horizontalAdvance(self.text()) - width - 5.0
        middle, half = self.height() / 2, width * 0.4
        tip, foot = middle - half * self._direction, middle + half * self._direction
        corners = [QPointF(x, foot), QPointF(x + width, foot), QPointF(x + width / 2, tip)]
        painter.drawPolygon(QPolygonF(corners))


class ElidedLabel(QLabel):
    """One line that ends in "…" rather than pushing its neighbours; the whole as tooltip."""

    def __init__(self, role: str, tone: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        if tone:
            self.setProperty("tone", tone)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @property
    def whole_text(self) -> str:
        return self._whole

    def show_text(self, text: str) -> None:
        if text != self._whole:
            self._whole = text
            self.setToolTip(tip(text))
            self._elide()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._elide()

    def minimumSizeHint(self) -> QSize:
        return QSize(20, super().minimumSizeHint().height())

    def _elide(self) -> None:
        fitted = self.fontMetrics().elidedText(
            self._whole, Qt.TextElideMode.ElideRight, self.width()
        )
        if fitted != self.text():
            self.setText(fitted)


class EmptyState(QWidget):
    """Icon, what is missing, what to do, and room for one button."""

    def __init__(self, icon: str, title: str, hint: str, button: QWidget | None = None) -> None:
        super().__init__()
        centred = Qt.AlignmentFlag.AlignHCenter
        outer = QVBoxLayout(self)
        outer.setContentsMargins(INSET, INSET, INSET, INSET)
        outer.setSpacing(8)
        outer.addStretch(1)
        self.icon = ThemedIcon(icon, "t3", 24)
        outer.addWidget(self.icon, 0, centred)
        self.title = label("title", title)
        self.hint = label("label", hint)
        for text in (self.title, self.hint):
            text.setAlignment(centred)
            text.setWordWrap(True)
            outer.addWidget(text)
        if button is not None:
            outer.addSpacing(4)
            outer.addWidget(button, 0, centred)
        outer.addStretch(1)


def grid(spacing_h: int = 12, spacing_v: int = 4) -> QGridLayout:
    made = QGridLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setHorizontalSpacing(spacing_h)
    made.setVerticalSpacing(spacing_v)
    return made
