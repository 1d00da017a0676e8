"""The real window in both languages at one size; prints as JSON what does not fit its place.

`QT_SCALE_FACTOR=1.5 python clipped_words.py DATA_DIR WIDTH HEIGHT`, in pixels of the layout: a
process of its own, for Qt takes the scale when it starts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import qasync
from conftest import ENGINE_PID, LinkServer
from every_dialog import DIALOGS
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QWidget,
)
from scan_samples import SCANNER, scanning_engine

from ui import i18n, theme
from ui.bridge import Bridge
from ui.main_window import MainWindow
from ui.settings import ScreenSettings
from ui.tabs import PAGES
from ui.widgets.app_bar import TabPlate
from ui.widgets.basic import ElidedLabel

_SLACK = 1  # px, for rounding


def clipped(root: QWidget) -> list[str]:
    """Texts of visible labels and buttons that are larger than the place they have."""
    found = []
    for label in root.findChildren(QLabel):
        if not label.isVisible() or not label.text() or isinstance(label, ElidedLabel):
            continue
        if label.wordWrap():
            is_cut = label.heightForWidth(label.width()) > label.height() + _SLACK
        else:
            is_cut = label.sizeHint().width() > label.width() + _SLACK
        if is_cut:
            found.append(label.text())
    found += [
        button.text()
        for button in root.findChildren(QAbstractButton)
        if button.isVisible() and button.text() and _is_cut(button)
    ]
    return found


def _is_cut(button: QAbstractButton) -> bool:
    """Inside of its padding, which the style knows."""
    needs = button.fontMetrics().horizontalAdvance(button.text())
    has = button.width()
    style = button.style()
    if isinstance(button, QPushButton) and not isinstance(button, TabPlate) and style is not None:
        option = QStyleOptionButton()
        button.initStyleOption(option)
        place = style.subElementRect(QStyle.SubElement.SE_PushButtonContents, option, button)
        has = place.width()
        needs += button.iconSize().width() * (not button.icon().isNull())
    return needs > has + _SLACK


async def look(data_dir: Path, width: int, height: int) -> dict[str, list[str]]:
    server = LinkServer(data_dir)
    server.snapshot = scanning_engine()
    await server.start()
    bridge = Bridge(data_dir)
    bridge.link.start()
    await bridge.link.until_attached()
    settings = ScreenSettings(data_dir)
    settings.engine_pid = ENGINE_PID

    async def no_engine() -> None:
        return None

    window = MainWindow(bridge, settings, no_engine)
    window.resize(width, height)
    window.show()
    places = {
        "bot": lambda: window.show_bot("b1"),
        "scan": lambda: window.show_bot(SCANNER),
        **{page.title: lambda title=page.title: window.show_page(title) for page in PAGES},
    }
    result: dict[str, list[str]] = {}
    for language in i18n.LANGUAGES:
        i18n.use(language)
        for name, show in places.items():
            show()
            await asyncio.sleep(0.08)
            server.publish(server.snapshot)
            await asyncio.sleep(0.03)
            result[f"{language} {name}"] = clipped(window)
        for name, make in DIALOGS.items():
            dialog = make(window)
            dialog.open()
            await asyncio.sleep(0.01)
            result[f"{language} {name}"] = clipped(dialog)
            dialog.reject()
            dialog.deleteLater()
    await bridge.link.close()
    await server.stop()
    window.hide()
    return {name: texts for name, texts in result.items() if texts}


def main() -> None:
    app = QApplication(sys.argv[:1])
    theme.apply(app, "dark", "global")
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    with loop:
        cut = loop.run_until_complete(look(Path(sys.argv[1]), *map(int, sys.argv[2:4])))
    ratio = app.primaryScreen().devicePixelRatio()  # type: ignore[union-attr]
    print(json.dumps({"scale": ratio, "clipped": cut}))


if __name__ == "__main__":
    main()
