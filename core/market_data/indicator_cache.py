"""Indicator results that are computed once a candle, or kept up candle by candle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

from core.indicators.indicator import Indicator
from core.market_data.series_memory import SeriesMemory

T = TypeVar("T")


class _KeptUp(NamedTuple):
    indicator: Indicator
    rewrites: int
    newest_ms: int


class IndicatorCache:
    """Thread safe; nothing is computed twice for one candle."""

    def __init__(self, memory: SeriesMemory) -> None:
        self._memory = memory
        self._results: dict[str, tuple[int, object]] = {}
        self._kept_up: dict[str, _KeptUp] = {}
        self._lock = threading.Lock()

    def get(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute` on the present candles; `name` says which (incl. parameters)."""
        version = self._memory.version  # before: what comes meanwhile makes the result old
        known = self._results.get(name)
        if known is not None and known[0] == version:
            return cast("T", known[1])
        result = compute()
        self._results[name] = (version, result)
        return result

    def keep_up(self, name: str, make: Callable[[], Indicator]) -> tuple[float, ...]:
        """The values, after the newest base candle, of the indicator that `make` makes. Only
        candles that have come since the last call are given to it: a microsecond, not a
        recomputed history. A correction lets it begin anew from what is in memory."""
        with self._lock:
            known = self._kept_up.get(name)
            rewrites, columns = self._memory.rows_after(
                known.newest_ms if known else -1, known.rewrites if known else -1
            )
            if known is None or known.rewrites != rewrites:
                known = _KeptUp(make(), rewrites, -1)
            update = known.indicator.update
            fields = [getattr(columns, field).tolist() for field in known.indicator.inputs]
            for values in zip(*fields, strict=True):
                update(*values)
            if columns.rows:
                known = known._replace(newest_ms=int(columns.open_time_ms[-1]))
            self._kept_up[name] = known
            return known.indicator.values
