"""All figures of the request limits, as they change."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget

from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import tr
from ui.models.request_limits import request_limits
from ui.widgets.table_view import DataTable

_HEIGHT = 380


class RequestLimitsSheet(Sheet):
    """Attribute: model."""

    def __init__(self, parent: QWidget, bridge: Bridge) -> None:
        super().__init__(parent, tr("Request limits"), width=1180)
        self.model = request_limits()
        table = DataTable(self.model)
        table.setFixedHeight(_HEIGHT)
        self.content.addWidget(table)
        self.add_text(
            tr(
                "We use 80 % of what an exchange publishes. Cancels and exits go first; a refusal "
                "of the exchange blocks a limit until the time it names."
            )
        )
        self.add_button("", tr("Close"), default=True)
        bridge.limiter.changed.connect(self.model.set_rows)
        self.model.set_rows(bridge.limiter.latest)
