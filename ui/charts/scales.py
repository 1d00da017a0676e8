"""Where labels stand: round prices, round times, and the pixel arithmetic between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, tzinfo

import numpy as np

from ui import formatting, i18n, zones
from ui.charts.series import CandleSeries, Floats, Ints

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_TIME_STEPS_MS = (
    *(n * _MINUTE_MS for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR_MS for n in (1, 2, 3, 4, 6, 12)),
    *(n * _DAY_MS for n in (1, 2, 4, 7, 14)),
)
_MONTH_STEPS = (1, 3, 6, 12, 24, 60, 120)
_MONTH_MS = 30.44 * _DAY_MS
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LABEL_PX = 96
_MIN_GAP_PX = 64
_MAX_TICKS = 60
_MOST_TIMES = 4000


@dataclass(frozen=True, slots=True)
class TimeTick:
    """`is_major` marks a new day, month or year."""

    slot: int
    label: str
    is_major: bool


def round_step(span: float, wanted: float) -> float:
    """The 1, 2, 2.5 or 5 times a power of ten that cuts `span` into at most `wanted` parts."""
    if not (span > 0 and wanted > 0 and math.isfinite(span)):
        return 1.0
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10 * power


def round_values(low: float, high: float, height_px: float, spacing_px: float = 42) -> list[float]:
    """Round values inside `low`..`high`, at least `spacing_px` apart on a linear axis."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or height_px <= 0:
        return []
    step = round_step(high - low, max(1.0, height_px / spacing_px))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    if last - first > _MAX_TICKS:
        return []
    return [index * step for index in range(first, last + 1)]


def decimals_of(step: float, most: int = 12) -> int:
    """Decimals needed to write multiples of `step`: 250 -> 0, 2.5 -> 1, 0.001 -> 3."""
    for decimals in range(most + 1):
        scaled = step * 10**decimals
        if abs(scaled - round(scaled)) < 1e-6 * max(1.0, scaled):
            return decimals
    return most


def day_label(time_ms: int) -> str:
    """`Nov 20`; in other languages `11/20`. `time_ms` is read as UTC."""
    moment = formatting.utc(time_ms)
    if i18n.language.name == "en":
        return f"{_MONTHS[moment.month - 1]} {moment.day}"
    return f"{moment.month}/{moment.day}"


def date_label(time_ms: int) -> str:
    """`20 Nov`, as running text and the capital page write it; `11/20` elsewhere."""
    moment = formatting.utc(time_ms)
    if i18n.language.name == "en":
        return f"{moment.day} {_MONTHS[moment.month - 1]}"
    return f"{moment.month}/{moment.day}"


def zone_of_bars(duration_ms: int, zone: tzinfo) -> tzinfo:
    """`zone`; UTC for bars of a day and more, which begin at its midnight and bear its date."""
    return UTC if duration_ms >= _DAY_MS else zone


def cursor_label(time_ms: int, duration_ms: int, zone: tzinfo = UTC) -> str:
    """The crosshair's time: `Nov 19 20:45 UTC`, the day with its year for daily bars."""
    wall_ms = zones.shifted_ms(time_ms, zone_of_bars(duration_ms, zone))
    moment = formatting.utc(wall_ms)
    if duration_ms >= _DAY_MS:
        return f"{day_label(wall_ms)} {moment.year}"
    return f"{day_label(wall_ms)} {moment:%H:%M} {zones.abbreviation(time_ms, zone)}"


def _wall_times(times: Ints, zone: tzinfo) -> Ints:
    """`times` (ms UTC) as the wall clock in `zone` shows them."""
    if zone is UTC or times.size == 0:
        return times
    years = (formatting.utc(int(ms)).year for ms in (times[0], times[-1]))
    changes = [
        c for year in range(next(years), next(years) + 1) for c in zones.changes_ms(zone, year)
    ]
    starts = np.array([start for start, _ in changes], np.int64)
    offsets = np.array([offset for _, offset in changes], np.int64)
    return times + offsets[np.searchsorted(starts, times, side="right") - 1]


def _visible_times(series: CandleSeries, first_slot: float, last_slot: float) -> tuple[Ints, Ints]:
    """(slots, open times) of the bars in view and of the empty room after the newest."""
    first, last = series.rows(first_slot, last_slot)
    first = max(0, first - 1)  # one before, to see a boundary at the first visible bar
    step = max(1, (last - first) // _MOST_TIMES)  # a label may be a fraction of a px aside
    slots, times = series.slots[first:last:step], series.times[first:last:step]
    room = min(500, math.floor(last_slot) - series.last_slot)
    if room > 0 and series.size:
        ahead = np.arange(1, room + 1, dtype=np.int64)
        slots = np.concatenate((slots, series.last_slot + ahead))
        times = np.concatenate((times, series.times[-1] + ahead * series.duration_ms))
    return slots, times


def time_ticks(
    series: CandleSeries,
    first_slot: float,
    last_slot: float,
    slot_px: float,
    zone: tzinfo = UTC,
) -> list[TimeTick]:
    """Labelled times of `zone` in view, at bars, about one per 100 px."""
    slots, times = _visible_times(series, first_slot, last_slot)
    times = _wall_times(times, zone_of_bars(series.duration_ms, zone))
    if times.size < 2 or slot_px <= 0:
        return []
    wanted_ms = _LABEL_PX / slot_px * series.duration_ms
    step_ms = next((s for s in _TIME_STEPS_MS if s >= max(wanted_ms, series.duration_ms)), None)
    days = times // _DAY_MS
    if step_ms is not None:
        period = times // step_ms if step_ms <= _DAY_MS else days // (step_ms // _DAY_MS)
    else:
        months = times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
        least_ms = _MIN_GAP_PX / slot_px * series.duration_ms  # "Feb" is shorter than "15:00"
        step = next((m for m in _MONTH_STEPS if m * _MONTH_MS >= least_ms), _MONTH_STEPS[-1])
        period = months // step
    at = np.flatnonzero(period[1:] != period[:-1]) + 1
    if step_ms is not None and step_ms < _DAY_MS:
        major = days[at] != days[at - 1]
    else:
        unit = "datetime64[M]" if step_ms is not None else "datetime64[Y]"
        coarse = times.astype("datetime64[ms]").astype(unit)
        major = coarse[at] != coarse[at - 1]
    ticks = [
        TimeTick(int(slots[i]), _label(int(times[i]), step_ms, bool(m)), bool(m))
        for i, m in zip(at, major, strict=True)
        if slots[i] >= first_slot
    ]
    return _thin(ticks, slot_px)


def _label(time_ms: int, step_ms: int | None, is_major: bool) -> str:
    moment = formatting.utc(time_ms)
    if step_ms is None:
        month = _MONTHS[moment.month - 1] if i18n.language.name == "en" else f"{moment.month}"
        return str(moment.year) if is_major else month
    if step_ms >= _DAY_MS or is_major:
        return day_label(time_ms)
    return f"{moment:%H:%M}"


def _thin(ticks: list[TimeTick], slot_px: float) -> list[TimeTick]:
    """Drops labels that a gap pushed against each other; a major one wins."""
    kept: list[TimeTick] = []
    for tick in ticks:
        if kept and (tick.slot - kept[-1].slot) * slot_px < _MIN_GAP_PX:
            if not tick.is_major or kept[-1].is_major:
                continue
            kept.pop()
        kept.append(tick)
    return kept


def group_size(slot_px: float) -> int:
    """Slots in one drawn bar: 1, or the power of two that gives each bar two pixels."""
    if slot_px >= 2 or slot_px <= 0:
        return 1
    return int(2 ** math.ceil(math.log2(2 / slot_px)))


def body_px(slot_px: float) -> int:
    """Body width: 72 % of the slot, odd (the wick is its middle pixel), at least 1."""
    width = int(slot_px * 0.72 + 1e-9)
    return max(1, width if width % 2 else width - 1)


def finite_range(values: Floats) -> tuple[float, float] | None:
    """(lowest, highest) of the finite values; None when there are none."""
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else None
