"""The report of today, on demand: the engine writes page and table, the screen the picture."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import QWidget

from core.commands import CommandResult, WriteReport
from ui import day_picture, i18n, tasks
from ui.bridge import Bridge
from ui.widgets.basic import column
from ui.widgets.buttons import ActionButton, TextButton

_PATIENCE_S = 30.0


class ReportButtons(QWidget):
    """The button, and then the way to its folder."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._folder: Path | None = None
        self.write = ActionButton("Report of today", self._write, icon="download")
        i18n.set_tool_tip(
            self.write, "Writes today's figures, trades and a picture into the reports folder"
        )
        self.open = TextButton("Open folder", kind="link")
        self.open.clicked.connect(self._open)
        self.open.hide()
        lines = column(spacing=2)
        for button in (self.write, self.open):
            lines.addWidget(button, 0, Qt.AlignmentFlag.AlignRight)
        self.setLayout(lines)

    async def _write(self) -> CommandResult:
        account = self._bridge.capital.account
        result = await self._bridge.link.send(WriteReport(account), _PATIENCE_S)
        if not result.ok:
            return result
        page = Path(result.path)
        picture = day_picture.picture_of(self._bridge)
        if await day_picture.save(picture, page.with_suffix(".png")):
            tasks.tell(result)
        self._folder = page.parent
        self.open.show()
        return result

    def _open(self) -> None:
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))
