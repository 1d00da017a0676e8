"""The picture that goes with a daily report: the capital page, always of the same size, whatever
the window shows.

Taken on demand, and by itself when a trading day ends: of the last figures of that day, before the
first of the next are shown.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from PyQt6.QtCore import QBuffer, QIODevice, QObject, QSize, Qt
from PyQt6.QtGui import QImage, QPainter

from core.commands import CommandResult
from core.storage.durable import write_atomic
from ui import formatting, tasks, theme
from ui.bridge import Bridge
from ui.widgets.basic import INSET
from ui.widgets.ink import Ink, draw_left

SIZE = QSize(1920, 1040)
_CAPTION_PX = 30


class DayPictures(QObject):
    """Takes the picture of each day that ends while this screen runs."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self._bridge = bridge
        bridge.capital.day_ended.connect(self._keep)

    def _keep(self, day_name: str) -> None:
        from core.reports.daily import REPORTS, file_stem  # once a day, not for the first paint

        name = f"{file_stem(self._bridge.capital.account, day_name)}.png"
        tasks.spawn(
            save(picture_of(self._bridge, day_name), self._bridge.data_dir / REPORTS / name)
        )


def picture_of(bridge: Bridge, day_name: str = "") -> bytes:
    """The capital page as it is now, as PNG; in the present theme and language. `day_name` is the
    day whose end it shows."""
    from ui.tabs.capital_page import CapitalPage  # not for the first paint

    page = CapitalPage(bridge)
    page.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    page.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    page.hide_tools()
    page.resize(SIZE.width(), SIZE.height() - _CAPTION_PX)
    page.show()
    picture = QImage(SIZE, QImage.Format.Format_RGB32)
    picture.fill(theme.color("e0"))
    painter = QPainter(picture)
    page.render(painter)
    middle = SIZE.height() - _CAPTION_PX / 2
    draw_left(painter, _caption(bridge, day_name), (INSET, middle), Ink("t2"), SIZE.width() - INSET)
    painter.end()
    page.hide()
    page.deleteLater()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    return buffer.data().data()


def _caption(bridge: Bridge, day_name: str) -> str:
    """Whose figures they are, and of when: a picture travels without its file's name."""
    name, snapshot = bridge.capital.account, bridge.snapshot
    account = bridge.account(name)
    mode = account.mode.value.upper() if account is not None else ""
    now = formatting.stamp(snapshot.market_time_ms) if snapshot is not None else ""
    return " · ".join(part for part in ("TwinStar Quantum", name, mode, day_name or now) if part)


async def save(picture: bytes, path: Path) -> bool:
    """Whether it is on disk; the trader is told where it is not."""
    try:
        await asyncio.to_thread(write_atomic, path, picture)
    except OSError as fault:
        text = f"The picture could not be written: {fault.strerror or fault}."
        return tasks.announce(CommandResult(0, False, text))
    return True
