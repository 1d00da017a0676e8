"""The chart's own copy of one candle series: numpy columns that grow at both ends.

x on the chart is a slot number, not a time: float seconds lose precision, and weekends of a
market that never closes do not exist. A bar's slot is its position, except that missing candles
take up to `GAP_SLOTS` slots of their own, so that a hole in the data is seen and never joined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.models.candles import Timeframe
from core.snapshots import CandleBlock, LiveCandle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GAP_SLOTS = 12
PRICES = ("open", "high", "low", "close")
_BASE = (*PRICES, "volume")
_SPARE = 512
_TAIL_ROWS = 2048  # rows that may come before the pyramid takes them in
_SMOOTHING_BARS = 60  # a Heikin-Ashi open forgets half of its past with every bar


@dataclass(frozen=True, slots=True)
class Gap:
    """`missing` candles drawn as `width` slots from `first_slot` on."""

    first_slot: int
    width: int
    missing: int


class Bars(NamedTuple):
    """A window of the series, one entry per drawn bar; several candles each when zoomed far out.

    `slot` is the centre of the bar, in slots.
    """

    slot: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class CandleSeries:
    """Rows in time order. Rows whose prices are not finite are left out: they show as a gap.

    Indicators are the columns that the engine has sent beside the prices. Bars narrower than two
    pixels are drawn in groups; `_pyramid` keeps the groups of one width, so that a frame of
    200,000 candles costs no more than one of 10,000.

    Attribute `decided_ms`: open time (ms UTC) of the newest bar that was known when something was
    decided; None: all are.
    """

    def __init__(self, timeframe: str = "1m") -> None:
        self.clear(timeframe)

    def clear(self, timeframe: str) -> None:
        """Empty, for bars of `timeframe`. Raises ValueError for an unknown one."""
        self.duration_ms = Timeframe(timeframe).duration_ms
        self.size = 0
        self.decided_ms: int | None = None
        self.gaps: list[Gap] = []
        self._names: tuple[str, ...] = _BASE
        self._index = {name: index for index, name in enumerate(_BASE)}
        self._times: Ints = np.empty(0, np.int64)
        self._slots: Ints = np.empty(0, np.int64)
        self._data: Floats = np.empty((len(_BASE), 0))
        self._pyramid: _Groups | None = None

    @property
    def times(self) -> Ints:
        """Open times, ms UTC."""
        return self._times[: self.size]

    @property
    def slots(self) -> Ints:
        return self._slots[: self.size]

    @property
    def known_row(self) -> int:
        """The newest bar that is known: the last, or the one of `decided_ms`; -1 when empty."""
        if self.decided_ms is None or self.size == 0:
            return self.size - 1
        return max(0, int(np.searchsorted(self.times, self.decided_ms, "right")) - 1)

    @property
    def last_slot(self) -> int:
        """Slot of the newest bar; -1 when empty."""
        return int(self._slots[self.size - 1]) if self.size else -1

    def column(self, name: str) -> Floats:
        """A view; indicators are NaN where the engine has no value, or has not been asked."""
        row = self._index.get(name)
        return np.full(self.size, np.nan) if row is None else self._data[row, : self.size]

    def has(self, name: str) -> bool:
        """Whether the engine has sent that column."""
        return name in self._index

    def load(self, block: CandleBlock) -> None:
        """Replaces everything. Raises ValueError when a column is missing or cut short."""
        names = (*_BASE, *sorted(set(block.columns) - {*_BASE, "open_time_ms"}))
        times, data = _read(block, names)
        self._names, self._index = names, {name: row for row, name in enumerate(names)}
        self._adopt(times, data)

    def prepend(self, block: CandleBlock) -> int:
        """Adds the rows of `block` that are older than ours; how many slots everything moved.

        Raises ValueError as `load` does.
        """
        times, data = _read(block, self._names)
        if self.size:
            keep = times < self._times[0]
            times, data = times[keep], data[:, keep]
        if times.size == 0:
            return 0
        old_first_time = int(self._times[0]) if self.size else None
        self._adopt(
            np.concatenate((times, self.times)),
            np.concatenate((data, self._data[:, : self.size]), axis=1),
        )
        if old_first_time is None:
            return 0
        return int(self._slots[int(np.searchsorted(self.times, old_first_time))])

    def upsert(self, candle: LiveCandle) -> bool:
        """Writes one bar: replaces its open time's row or appends; False when it was ignored.

        Ignored are prices that are not finite and a bar older than the newest that we never had.
        """
        prices = (candle.open, candle.high, candle.low, candle.close)
        if not np.isfinite(prices).all():
            return False
        time_ms = candle.open_time_ms
        row = self.size - 1
        if self.size == 0 or time_ms > self._times[row]:
            row = self._append(time_ms)
        elif time_ms < self._times[row]:
            row = int(np.searchsorted(self.times, time_ms))
            if self._times[row] != time_ms:
                return False
        values = [*prices, candle.volume if np.isfinite(candle.volume) else 0.0]
        values += [candle.indicators.get(name, np.nan) for name in self._names[len(_BASE) :]]
        self._data[:, row] = values
        if self._pyramid is not None and row < self._pyramid.rows:
            self._pyramid = None  # a bar that was thought to be final
        return True

    def _append(self, time_ms: int) -> int:
        if self.size == self._times.size:
            self._reserve(max(_SPARE, self.size // 4))
        row = self.size
        step = 1
        if row:
            step = self._step(int(self._times[row - 1]), time_ms, int(self._slots[row - 1]))
        self._times[row] = time_ms
        self._slots[row] = (self._slots[row - 1] + step) if row else 0
        self.size += 1
        return row

    def _step(self, before_ms: int, after_ms: int, before_slot: int) -> int:
        missing = max(0, round((after_ms - before_ms) / self.duration_ms) - 1)
        if missing:
            self.gaps.append(Gap(before_slot + 1, min(missing, GAP_SLOTS), missing))
        return 1 + min(missing, GAP_SLOTS)

    def _reserve(self, spare: int) -> None:
        self._times = np.concatenate((self.times, np.zeros(spare, np.int64)))
        self._slots = np.concatenate((self.slots, np.zeros(spare, np.int64)))
        self._data = np.concatenate(
            (self._data[:, : self.size], np.full((len(self._names), spare), np.nan)), axis=1
        )

    def _adopt(self, times: Ints, data: Floats) -> None:
        self.size = times.size
        missing = np.maximum(0, np.rint(np.diff(times) / self.duration_ms).astype(np.int64) - 1)
        width = np.minimum(missing, GAP_SLOTS)
        slots = np.zeros(times.size, np.int64)
        np.cumsum(width + 1, out=slots[1:])
        holes = np.flatnonzero(missing)
        self.gaps = [Gap(int(slots[i]) + 1, int(width[i]), int(missing[i])) for i in holes]
        self._times, self._slots, self._data = times, slots, data
        self._pyramid = None
        self._reserve(_SPARE)

    def rows(self, first_slot: float, last_slot: float) -> tuple[int, int]:
        """Half-open row range of the bars that touch the slots `first_slot`..`last_slot`."""
        slots = self.slots
        # whole numbers: numpy would turn the column into floats for a fractional one
        first = int(np.searchsorted(slots, math.ceil(first_slot - 0.5), "left"))
        last = int(np.searchsorted(slots, math.floor(last_slot + 0.5), "right"))
        return first, max(first, last)

    def row_at(self, slot: float) -> int | None:
        """Row of the bar at `slot`, rounded; None beside the bars or in a gap."""
        wanted = round(slot)
        row = int(np.searchsorted(self.slots, wanted))
        return row if row < self.size and self._slots[row] == wanted else None

    def slot_of_time(self, time_ms: int) -> int | None:
        """Slot of the bar that contains `time_ms`; None before the first bar."""
        row = int(np.searchsorted(self.times, time_ms, "right")) - 1
        return int(self._slots[row]) if row >= 0 else None

    def time_of_slot(self, slot: int) -> int | None:
        """Open time (ms UTC) of a slot, counted on past the newest bar; None before the first."""
        row = int(np.searchsorted(self.slots, slot, "right")) - 1
        if row < 0:
            return None
        return int(self._times[row]) + (slot - int(self._slots[row])) * self.duration_ms

    def place_of_time(self, time_ms: int) -> int:
        """Slot of any time: of the bar that contains it, counted on before and after the bars."""
        if self.size == 0:
            return 0
        if time_ms < self._times[0]:
            return (time_ms - int(self._times[0])) // self.duration_ms
        row = int(np.searchsorted(self.times, time_ms, "right")) - 1
        past = (time_ms - int(self._times[row])) // self.duration_ms
        return int(self._slots[row]) + (past if row == self.size - 1 else 0)

    def time_of_place(self, slot: int) -> int:
        """Open time (ms UTC) of any slot, as `place_of_time` counts them."""
        known = self.time_of_slot(slot)
        if known is not None:
            return known
        return (int(self._times[0]) if self.size else 0) + slot * self.duration_ms

    def block(self, symbol: str, timeframe: str, count: int) -> CandleBlock:
        """The newest `count` bars as the engine would send them."""
        rows = slice(max(0, self.size - count), self.size)
        columns = {name: self.column(name)[rows].astype("<f8").tobytes() for name in self._names}
        times = self.times[rows].astype("<i8")
        columns["open_time_ms"] = times.tobytes()
        return CandleBlock(symbol, timeframe, times.size, columns, is_end_of_history=False)

    def bars(self, first: int, last: int, group: int) -> Bars:
        """Rows `first`..`last`, `group` slots in one bar.

        Groups are aligned to absolute slots, so that panning does not make them flicker.
        """
        if group <= 1 or last <= first:
            return self._plain(first, last)
        groups = self._groups(group)
        old = groups.between(first, min(last, groups.rows))
        parts = [Bars(*(column[old] for column in groups.bars))]
        if last > groups.rows:
            parts.append(self._grouped(max(first, groups.rows), last, group)[0])
        return parts[0] if len(parts) == 1 else Bars(*map(np.concatenate, zip(*parts, strict=True)))

    def smoothed(self, first: int, last: int, group: int) -> Bars:
        """Heikin-Ashi bars of these rows; in groups, of the groups.

        open = mean of the former bar's open and close: a sum of all closes before it, each worth
        half of the next; what is older than `_SMOOTHING_BARS` is below a float's last digit.
        """
        before = max(0, first - _SMOOTHING_BARS * group)
        bars = self.bars(before, last, group)
        if bars.slot.size == 0:
            return bars
        close = (bars.open + bars.high + bars.low + bars.close) / 4
        opened = np.empty_like(close)
        opened[0] = (bars.open[0] + bars.close[0]) / 2
        weights = 0.5 ** np.arange(1, _SMOOTHING_BARS + 1)
        opened[1:] = np.convolve(close[:-1], weights)[: close.size - 1]
        opened[1:] += opened[0] * 0.5 ** np.arange(1, close.size)
        made = Bars(
            bars.slot,
            opened,
            np.maximum(bars.high, np.maximum(opened, close)),
            np.minimum(bars.low, np.minimum(opened, close)),
            close,
            bars.volume,
        )
        shown = bars.slot >= self._slots[first] - group
        return Bars(*(column[shown] for column in made))

    def line(self, name: str, first: int, last: int, group: int) -> tuple[Floats, Floats]:
        """(slots, values) of one column; NaN entries, also at every gap, break the line."""
        if last <= first or name not in self._index:
            return np.empty(0), np.empty(0)
        column = self._data[self._index[name]]
        if group > 1:
            groups = self._groups(group)
            ends = groups.ends[groups.between(first, min(last, groups.rows))]
            if last > groups.rows:
                tail = self._grouped(max(first, groups.rows), last, group)[1]
                ends = np.concatenate((ends, tail))
            return self._slots[ends].astype(np.float64), column[ends]
        slots, values = self._slots[first:last], column[first:last]
        breaks = np.flatnonzero(np.diff(slots) > 1) + 1
        if breaks.size == 0:
            return slots.astype(np.float64), values
        return (
            np.insert(slots.astype(np.float64), breaks, slots[breaks - 1] + 1.0),
            np.insert(values, breaks, np.nan),
        )

    def _plain(self, first: int, last: int) -> Bars:
        window = slice(first, last)
        columns = (self._data[row, window] for row in range(len(_BASE)))
        return Bars(self._slots[window].astype(np.float64), *columns)

    def _groups(self, group: int) -> _Groups:
        """All groups of that width which can no longer change."""
        kept = self._pyramid
        if kept is None or kept.group != group or self.size - kept.rows > _TAIL_ROWS:
            rows = 0
            if self.size:  # the newest bar's group still grows
                rows = int(np.searchsorted(self.slots, self.last_slot // group * group))
            bars, ends = self._grouped(0, rows, group)
            kept = self._pyramid = _Groups(group, rows, bars, ends)
        return kept

    def _grouped(self, first: int, last: int, group: int) -> tuple[Bars, Ints]:
        """(bars, the last row of each)."""
        window = slice(first, last)
        bucket = self._slots[window] // group
        if bucket.size == 0:
            return self._plain(first, first), np.empty(0, np.int64)
        starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
        ends = np.concatenate((starts[1:], [bucket.size])) - 1
        o, h, low, c, v = (self._data[row, window] for row in range(len(_BASE)))
        bars = Bars(
            bucket[starts].astype(np.float64) * group + (group - 1) / 2,
            o[starts],
            np.maximum.reduceat(h, starts),
            np.minimum.reduceat(low, starts),
            c[ends],
            np.maximum.reduceat(v, starts),
        )
        return bars, ends + first


@dataclass(frozen=True, slots=True)
class _Groups:
    """The first `rows` rows in groups of `group` slots; `ends` is each group's last row."""

    group: int
    rows: int
    bars: Bars
    ends: Ints

    def between(self, first: int, last: int) -> slice:
        """The groups that hold rows `first`..`last`."""
        start, stop = np.searchsorted(self.ends, (first, max(first, last - 1)))
        return slice(int(start), int(stop) + 1 if last > first else int(start))


def _read(block: CandleBlock, names: tuple[str, ...]) -> tuple[Ints, Floats]:
    """Columns of a block, sorted, without duplicates (the last wins) and without broken rows."""
    times = _column(block, "open_time_ms", np.dtype("<i8")).astype(np.int64)
    data = np.full((len(names), times.size), np.nan)
    for row, name in enumerate(names):
        if name in block.columns or name in _BASE:
            data[row] = _column(block, name, np.dtype("<f8"))
    volume = data[_BASE.index("volume")]
    volume[~np.isfinite(volume)] = 0.0
    keep = np.isfinite(data[:4]).all(axis=0)
    if times.size > 1 and not (np.diff(times) > 0).all():
        order = np.argsort(times, kind="stable")
        times, data, keep = times[order], data[:, order], keep[order]
        keep[:-1] &= times[1:] != times[:-1]
    return times[keep], data[:, keep]


def _column(block: CandleBlock, name: str, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
    raw = block.columns.get(name)
    if raw is None or len(raw) != block.rows * kind.itemsize:
        held = "is missing" if raw is None else f"has {len(raw)} bytes"
        raise ValueError(f"chart history: column {name!r} of {block.rows} rows {held}")
    return np.frombuffer(raw, kind)
