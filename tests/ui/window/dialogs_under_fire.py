"""The real screen with every dialog opened while messages come and slots raise; prints JSON.

A process of its own: PyQt6 ends one for an exception in a slot unless the guard is in place, and
that is what is to be seen. `python dialogs_under_fire.py DATA_DIR`, from this folder's path.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import qasync
from conftest import ENGINE_PID, LinkServer
from every_dialog import DIALOGS
from PyQt6.QtWidgets import QApplication, QPushButton
from scan_samples import scanning_engine

from app.crash_guard import CrashGuard
from core.snapshots import Notice
from ui import i18n, theme
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.main_window import MainWindow
from ui.settings import ScreenSettings

_PATIENCE_S = 20.0
raised = 0


def fail(*_arguments: object) -> None:
    """A slot that is at fault."""
    global raised  # noqa: PLW0603 - one process, one count
    raised += 1
    raise RuntimeError("a slot is at fault")


async def until(condition: Any) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (Qt has no event for it)
            await asyncio.sleep(0.002)


async def no_engine() -> None:
    return None


async def play(data_dir: Path) -> dict[str, object]:
    server = LinkServer(data_dir)
    server.snapshot = scanning_engine()
    await server.start()
    bridge = Bridge(data_dir)
    bridge.link.start()
    await bridge.link.until_attached()
    settings = ScreenSettings(data_dir)
    settings.engine_pid = ENGINE_PID
    window = MainWindow(bridge, settings, no_engine)
    window.resize(1600, 940)
    window.show()
    await until(lambda: "b1" in window._tabs)
    for signal in (bridge.snapshot_changed, bridge.feed_items, bridge.state_changed,
                   i18n.language.changed, theme.changed):  # fmt: skip
        signal.connect(fail)
    await asyncio.sleep(0.2)
    at_rest = asyncio.all_tasks()
    first, opened, hung = server.backlog[-1].seq, [], []
    for number, (name, make) in enumerate(DIALOGS.items(), 1):
        dialog = make(window)
        asked = asyncio.ensure_future(dialog.ask()) if isinstance(dialog, Sheet) else None
        if asked is None:
            dialog.open()
        await until(dialog.isVisible)
        dialog.finished.connect(fail)
        server.publish(msgspec.structs.replace(server.snapshot, seq=server.snapshot.seq + 1))
        server.feed(Notice("info", "Traffic", f"{number} of {name}", toast=False))
        for button in dialog.findChildren(QPushButton):
            button.pressed.connect(fail)
            button.pressed.emit()
        await until(lambda sent=server.backlog[-1].seq: bridge.items[-1].seq == sent)
        opened.append(name)
        dialog.reject()
        if asked is not None:
            done, _ = await asyncio.wait({asked}, timeout=_PATIENCE_S)
            hung += [] if done else [name]
    i18n.use("ko")
    QApplication.processEvents()
    left = [task for task in asyncio.all_tasks() - at_rest if task is not asyncio.current_task()]
    if left:
        await asyncio.wait(left, timeout=_PATIENCE_S)
    arrived = [item.seq for item in bridge.items if item.seq > first]
    result = {
        "opened": opened,
        "raised": raised,
        "hung": hung + [repr(task) for task in left if not task.done()],
        "fed": server.backlog[-1].seq - first,
        "arrived": len(arrived),
        "in_order": arrived == sorted(set(arrived)),
        "answers": (await bridge.kill_switch()).ok,
        "attached": server.attach_count,
    }
    await bridge.link.close()
    await server.stop()
    window.hide()
    return result


def main() -> None:
    guard = CrashGuard()
    guard.install()
    app = QApplication(sys.argv[:1])
    theme.apply(app, "dark", "global")
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    guard.watch_loop(loop)
    with loop:
        result = loop.run_until_complete(play(Path(sys.argv[1])))
    print(json.dumps({**result, "caught": guard.unhandled_exceptions}))


if __name__ == "__main__":
    main()
