"""Pictures of the running window: each tab and page, at two sizes, both themes, both languages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PyQt6.QtCore import QSize

from ui import i18n
from ui.look import apply_look
from ui.main_window import MainWindow
from ui.tabs import PAGES

_SIZES = (QSize(1920, 1080), QSize(1280, 800))
_LOOKS = (("dark", "en", "global"), ("light", "en", "global"), ("dark", "ko", "korea"),
          ("light", "ko", "korea"))  # fmt: skip
_SETTLE_S = 0.3
_FIRST_LOOK_S = 1.0


async def take(window: MainWindow, folder: Path) -> list[Path]:
    """Write `main-1920-dark-en.png`, `capital-1280-light-ko.png` ... and return what was written.

    The window keeps the last look. Raises OSError when the folder cannot be written.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    written = []
    bots = window.bridge.bots.values()
    tabs = {
        "main": next((b.bot_id for b in bots if b.latest.scan is None), ""),
        "scan": next((b.bot_id for b in bots if b.latest.scan is not None), ""),
    }
    tabs = {name: bot_id for name, bot_id in tabs.items() if bot_id}
    names = (*tabs, *(page.title for page in PAGES))

    def show(name: str) -> None:
        if name in tabs:
            window.show_bot(tabs[name])
        else:
            window.show_page(name)

    for name in names:  # each is made when it is first shown, and asks the engine for its contents
        show(name)
        await asyncio.sleep(_FIRST_LOOK_S)
    for look, language, scheme in _LOOKS:
        apply_look(look, scheme)
        i18n.use(language)
        for size in _SIZES:
            window.resize(size)
            for name in names:
                show(name)
                await asyncio.sleep(_SETTLE_S)
                window.toaster.clear()
                path = folder / f"{name.lower()}-{size.width()}-{look}-{language}.png"
                if not window.grab().save(str(path)):
                    raise OSError(f"the picture {path} could not be written")
                written.append(path)
    return written
