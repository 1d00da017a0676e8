"""The dot that says which link group a chart is in, and changes it."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QMenu, QToolButton

from ui import fonts, i18n, theme
from ui.chart_links import ALONE, HUES
from ui.charts import primitives
from ui.charts.chart_link import ChartLink
from ui.i18n import tr

_SIZE, _DOT = 28, 14


class LinkDot(QToolButton):
    """Filled with the group's colour and number; a ring while the chart is alone."""

    def __init__(self, link: ChartLink) -> None:
        super().__init__()
        self._link = link
        self.setProperty("kind", "icon")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(QSize(_SIZE, _SIZE))
        i18n.set_tool_tip(self, "Link group: charts of one share symbol and crosshair")
        self.setAccessibleName("Link group")
        self.clicked.connect(lambda _checked: self.menu_of_groups().popup(self._under()))
        link.changed.connect(self.update)
        theme.changed.connect(self.update)

    def menu_of_groups(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for group in HUES:
            text = tr("Not linked") if group == ALONE else tr("Group {number}", number=group)
            action = menu.addAction(text)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(group == self._link.group)
                action.triggered.connect(lambda _checked, chosen=group: self._link.join(chosen))
        return menu

    def _under(self) -> QPoint:
        return self.mapToGlobal(QPoint(0, self.height() + 2))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre = QRectF(self.rect()).center()
        dot = QRectF(centre.x() - _DOT / 2, centre.y() - _DOT / 2, _DOT, _DOT)
        hue, group = theme.color(HUES[self._link.group]), self._link.group
        painter.setPen(hue)
        if group == ALONE:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(dot.adjusted(2, 2, -2, -2))
            return
        painter.setBrush(hue)
        painter.drawEllipse(dot)
        width = primitives.text_width(group, 10, fonts.SEMIBOLD)
        primitives.draw_text(
            painter, centre.x() - width / 2, centre.y(), group, theme.color("e1"),
            px=10, weight=fonts.SEMIBOLD,
        )  # fmt: skip
