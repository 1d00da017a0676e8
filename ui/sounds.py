"""A sound for each kind of event, made here, muted by one button, each to be heard by its own.

The tones are computed, so no file has to be bundled. Qt's multimedia library is loaded with the
first sound, and where the machine has none (a server, a bare Linux) the system's bell stands in.
"""

from __future__ import annotations

import logging
import math
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTemporaryDir, QUrl, pyqtSignal
from PyQt6.QtWidgets import QApplication

from core.snapshots import FeedItem, FillRecord, Notice
from ui.settings import ScreenSettings

_LOG = logging.getLogger(__name__)
_RATE_HZ = 22_050
_TONES: dict[str, tuple[tuple[float, float], ...]] = {  # Hz, s
    "price_alert": ((880, 0.12), (1175, 0.18)),
    "fill": ((660, 0.10), (880, 0.10)),
    "signal": ((988, 0.08),),
    "warning": ((440, 0.18),),
    "danger": ((330, 0.18), (247, 0.18), (330, 0.18), (247, 0.24)),
}
EVENTS = {
    "price_alert": "Price alert",
    "fill": "Order filled",
    "signal": "Signal of a scan",
    "warning": "Warning",
    "danger": "Alarm",
}


def event_of(item: FeedItem) -> str | None:
    """Which sound a new entry of the ordered list has; None for a silent one."""
    record = item.record
    if isinstance(record, FillRecord):
        return "fill"
    if not isinstance(record, Notice) or record.code == "silent":
        return None
    if record.title == "Price alert":
        return "price_alert"
    return record.severity if record.severity in EVENTS and record.toast else None


class Sounds(QObject):
    """`play_file(path)` makes the noise. Signal: mute_changed(bool)."""

    mute_changed = pyqtSignal(bool)

    def __init__(
        self,
        settings: ScreenSettings,
        play_file: Callable[[Path], None] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._play_file = play_file or _Player(self).play
        self._folder: QTemporaryDir | None = None

    @property
    def is_muted(self) -> bool:
        return self._settings.is_on("sounds/muted", default=False)

    def set_muted(self, muted: bool) -> None:
        self._settings.set_on("sounds/muted", muted)
        self.mute_changed.emit(muted)

    def is_wanted(self, event: str) -> bool:
        return self._settings.is_on(f"sounds/{event}", default=True)

    def set_wanted(self, event: str, wanted: bool) -> None:
        self._settings.set_on(f"sounds/{event}", wanted)

    def take_items(self, items: list[FeedItem]) -> None:
        """New entries: the most serious of them is heard, the others at the same moment not."""
        found = {event_of(item) for item in items}
        for event in ("danger", "warning", "price_alert", "fill"):
            if event in found and self.is_wanted(event):
                self._play(event)
                return

    def hear(self, event: str) -> None:
        """Something that is not an entry of the ordered list: heard where it is wanted."""
        if self.is_wanted(event):
            self._play(event)

    def preview(self, event: str) -> None:
        """By its play button: also where it is switched off, or everything is."""
        self._play_file(self._file(event))

    def _play(self, event: str) -> None:
        if not self.is_muted:
            self._play_file(self._file(event))

    def _file(self, event: str) -> Path:
        if self._folder is None:
            self._folder = QTemporaryDir()
        path = Path(self._folder.path()) / f"{event}.wav"
        if not path.exists():
            _write_tone(path, _TONES[event])
        return path


class _Player:
    """Qt's sound effects, kept while they sound."""

    def __init__(self, parent: QObject) -> None:
        self._parent = parent
        self._effects: dict[Path, Any] = {}
        self._is_without = False

    def play(self, path: Path) -> None:
        effect = self._effect(path)
        if effect is None:
            QApplication.beep()
        else:
            effect.play()

    def _effect(self, path: Path) -> Any:
        if path not in self._effects and not self._is_without:
            try:
                from PyQt6.QtMultimedia import QSoundEffect
            except ImportError as fault:
                _LOG.info("no sound library: %s", fault)
                self._is_without = True
                return None
            effect = QSoundEffect(self._parent)
            effect.setSource(QUrl.fromLocalFile(str(path)))
            self._effects[path] = effect
        return self._effects.get(path)


def _write_tone(path: Path, tones: tuple[tuple[float, float], ...]) -> None:
    """Sines that begin and end softly, so that they do not click."""
    import wave  # with the first sound, not with the window

    samples = array("h")
    for hertz, seconds in tones:
        count = int(_RATE_HZ * seconds)
        for i in range(count):
            edge = min(1.0, i / 200, (count - i) / 1200)
            samples.append(int(9_000 * edge * math.sin(2 * math.pi * hertz * i / _RATE_HZ)))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(samples.tobytes())
