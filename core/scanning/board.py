"""The newest bars of many symbols in one block of memory, ready to be scored in one pass.

The candle managers are the truth; a row follows its manager by its version. The usual change, one
more closed bar, costs O(1) whatever the number of bars; anything else (a correction, a filled
hole) loads the row anew.
"""

from __future__ import annotations

import numpy as np

from core.market_data.bot_data_manager import BotDataManager
from core.models.candles import Timeframe
from core.strategy import BarMatrix

_FIELDS = len(BarMatrix._fields)


class _Row:
    """Where a symbol's bars lie, and what of its manager they show."""

    __slots__ = ("count", "index", "manager", "newest_ms", "start", "version")

    def __init__(self, index: int, manager: BotDataManager) -> None:
        self.index = index
        self.manager = manager
        self.start = 0  # column of the oldest bar; the newest lies `bars - 1` further
        self.count = 0
        self.newest_ms = -1
        self.version = -1


class CandleBoard:
    """`bars` columns for each symbol; NaN where a symbol has fewer."""

    def __init__(self, bars: int, timeframe: Timeframe) -> None:
        self._bars = bars
        self._step_ms = timeframe.duration_ms
        self._rows: dict[str, _Row] = {}
        self._free: list[int] = []
        # Each bar is written twice, `bars` apart, so a row's window is always in one piece.
        self._values = np.full((_FIELDS, 0, 2 * bars), np.nan)
        self._columns = np.arange(bars)

    def follow(self, symbol: str, manager: BotDataManager) -> bool:
        """Bring the symbol's row up to its manager; True when something had changed."""
        row = self._rows.get(symbol)
        if row is None:
            row = self._rows[symbol] = _Row(self._free_index(), manager)
        elif row.manager is not manager:
            row.manager, row.version = manager, -1
        version = manager.version  # first: what comes meanwhile is found the next time
        if row.version == version:
            return False
        newest = manager.newest
        if (
            newest is not None
            and newest.open_time_ms == row.newest_ms + self._step_ms
            and version == row.version + 1
        ):
            floats = (newest.open, newest.high, newest.low, newest.close, newest.volume)
            self._put(row, np.array(floats, dtype=np.float64))
            row.newest_ms = newest.open_time_ms
        else:
            self._load(row, manager)
        row.version = version
        return True

    def forget(self, keep: set[str]) -> None:
        """Free the rows of all other symbols."""
        for symbol in self._rows.keys() - keep:
            row = self._rows.pop(symbol)
            self._values[:, row.index] = np.nan
            self._free.append(row.index)

    def matrix(self, symbols: list[str]) -> BarMatrix:
        """A copy, one row for each of `symbols` (all of them followed), oldest bar first."""
        rows = [self._rows[symbol] for symbol in symbols]
        index = np.array([row.index for row in rows], dtype=np.intp)
        start = np.array([row.start for row in rows], dtype=np.intp)
        return BarMatrix(*self._values[:, index[:, None], start[:, None] + self._columns])

    def newest_open_ms(self, symbol: str) -> int | None:
        """Of the newest closed bar; None without one."""
        row = self._rows.get(symbol)
        return row.newest_ms if row is not None and row.count else None

    def is_full(self, symbol: str) -> bool:
        """Whether every column has a bar."""
        row = self._rows.get(symbol)
        return row is not None and row.count == self._bars

    def closes(self, symbol: str, count: int) -> bytes:
        """The newest closes, at most `count`, oldest first: little-endian float32."""
        row = self._rows.get(symbol)
        if row is None:
            return b""
        end = row.start + self._bars
        closes = self._values[3, row.index, end - min(count, row.count) : end]
        return closes.astype("<f4").tobytes()

    def _put(self, row: _Row, values: np.ndarray) -> None:
        column = row.start
        self._values[:, row.index, column] = values
        self._values[:, row.index, column + self._bars] = values
        row.start = (column + 1) % self._bars
        row.count = min(row.count + 1, self._bars)

    def _load(self, row: _Row, manager: BotDataManager) -> None:
        columns = manager.recent(self._bars)
        row.start, row.count = 0, columns.rows
        row.newest_ms = int(columns.open_time_ms[-1]) if columns.rows else -1
        self._values[:, row.index] = np.nan
        if columns.rows:
            values = np.array(columns[1:])
            self._values[:, row.index, self._bars - row.count : self._bars] = values
            self._values[:, row.index, 2 * self._bars - row.count :] = values

    def _free_index(self) -> int:
        if not self._free:
            rows = self._values.shape[1]
            more = max(16, rows)
            grown = np.full((_FIELDS, rows + more, 2 * self._bars), np.nan)
            grown[:, :rows] = self._values
            self._values = grown
            self._free = list(range(rows + more - 1, rows - 1, -1))
        return self._free.pop()
