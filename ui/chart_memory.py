"""What charts remember between starts: drawings by symbol, indicators and scale by bot, and which
charts stand beside each other.

One small JSON file each, in the data directory, written whole or not at all. A file that cannot
be read is put aside as `.bak` and the chart starts afresh: a broken layout never stands between
a trader and a position.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from PyQt6.QtCore import QCoreApplication, QObject, QTimer, pyqtSignal

from core.models.indicators import IndicatorSpec
from core.storage.durable import write_atomic
from ui.charts.drawings import Drawing, DrawingSet, is_sound

_LOG = logging.getLogger(__name__)
_WALL = "charts"
_WRITE_AFTER_MS = 400  # a line that is dragged is written once, not at every step
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class SavedStudy(msgspec.Struct, frozen=True):
    spec: IndicatorSpec
    is_hidden: bool = False


class ChartLayout(msgspec.Struct, frozen=True):
    """How one bot's chart is set up. `studies` None: the standard ones."""

    studies: tuple[SavedStudy, ...] | None = None
    kind: str = "candles"
    is_log: bool = False
    is_percent: bool = False
    is_inverted: bool = False
    is_magnetic: bool = False
    drags_with_alt: bool = False  # order lines move only while Alt is held
    group: str = "1"  # of the charts that are linked with it
    bars: int = 130  # in view at first


class SavedChart(msgspec.Struct, frozen=True):
    """One of the charts that stand beside each other. `symbol` "": none was chosen yet."""

    symbol: str = ""
    timeframe: str = "15m"
    group: str = "1"


class ChartWall(msgspec.Struct, frozen=True):
    """The first `count` of `charts` are shown."""

    count: int = 2
    charts: tuple[SavedChart, ...] = (
        SavedChart(timeframe="15m"),
        SavedChart(timeframe="1h"),
        SavedChart(timeframe="4h"),
        SavedChart(timeframe="1d"),
    )


class _Drawings(msgspec.Struct, frozen=True):
    symbol: str
    drawings: tuple[Drawing, ...]


class ChartMemory(QObject):
    """Reads when first asked, writes shortly after a change, at the latest in `save`.

    Signal: level_moved(symbol, price, price): a level line that the trader has drawn on it.
    """

    level_moved = pyqtSignal(str, float, float)

    def __init__(self, data_dir: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = data_dir / "charts"
        self._drawings: dict[str, DrawingSet] = {}
        self._unwritten: dict[Path, msgspec.Struct] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WRITE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.save)

    def drawings(self, symbol: str) -> DrawingSet:
        """The one set of `symbol`, which every chart of it shares."""
        known = self._drawings.get(symbol)
        if known is None:
            path = self._path("drawings", symbol)
            read = self._read(path, _Drawings)
            kept = tuple(d for d in read.drawings if is_sound(d)) if read else ()
            known = self._drawings[symbol] = DrawingSet(kept)
            known.setParent(self)
            known.changed.connect(lambda: self._keep(path, _Drawings(symbol, known.drawings)))
            known.level_moved.connect(partial(self.level_moved.emit, symbol))
        return known

    def layout(self, bot_id: str) -> ChartLayout:
        """As it was kept; the default for a bot that is new."""
        path = self._path("layouts", bot_id)
        waiting = self._unwritten.get(path)
        if isinstance(waiting, ChartLayout):
            return waiting
        return self._read(path, ChartLayout) or ChartLayout()

    def keep_layout(self, bot_id: str, layout: ChartLayout) -> None:
        self._keep(self._path("layouts", bot_id), layout)

    def wall(self) -> ChartWall:
        """As it was kept; sound or not is for who shows it."""
        return self._read(self._path("layouts", _WALL), ChartWall) or ChartWall()

    def keep_wall(self, wall: ChartWall) -> None:
        self._keep(self._path("layouts", _WALL), wall)

    def save(self) -> None:
        """Write what waits, now. A disk that refuses is logged; the next change tries again."""
        self._timer.stop()
        waiting, self._unwritten = self._unwritten, {}
        for path, value in waiting.items():
            try:
                write_atomic(path, msgspec.json.encode(value))
            except OSError as fault:
                _LOG.warning("the chart's %s could not be kept: %s", path.name, fault)

    def _keep(self, path: Path, value: msgspec.Struct) -> None:
        self._unwritten[path] = value
        self._timer.start()

    def _path(self, sort: str, name: str) -> Path:
        return self._folder / sort / f"{quote(name, safe='')}.json"

    def _read(self, path: Path, kind: type[_Struct]) -> _Struct | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as fault:
            _LOG.info("%s is unreadable (%s) and kept as a .bak", path, fault)
        try:
            path.replace(path.with_suffix(".json.bak"))
        except OSError as fault:
            _LOG.info("%s stays unreadable: %s", path, fault)
        return None
