"""A market that plays candle files back: same bars, same times, ticks made up in between.

Prices and volumes are turned from floats into whole ticks and steps without loss (the shortest
decimal that reads back as the same float), so a bar rebuilt from the ticks is the file's row.
"""

from __future__ import annotations

import logging
import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from core.models.candles import Timeframe
from core.models.instruments import Instrument
from exchanges.simulated import noise
from exchanges.simulated.bar_market import BarMarket, Bars
from exchanges.simulated.instruments import EXCHANGE, MIN_NOTIONAL
from exchanges.simulated.market import Int64s

log = logging.getLogger(__name__)

HISTORY_BARS = 2000  # that lie before the start, so that every indicator has settled
_FILE_NAME = re.compile(r"(?P<source>[a-z]+)_(?P<symbol>[A-Za-z0-9-]+)_(?P<timeframe>\d+[mhdwM])")
_PREFERRED = Timeframe.M15
_PRICE_COLUMNS = ("open", "high", "low", "close")
_MAX_DECIMALS = 12
_MAX_LEVERAGE = Decimal(50)
_PRIMARY = "BTCUSDT"


class _File(NamedTuple):
    path: Path
    symbol: str
    timeframe: Timeframe
    rows: int

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The smallest serves the symbol: 15m before others, then most rows, then by name."""
        return (self.timeframe is not _PREFERRED, -self.rows, self.path.name)


class _Series(NamedTuple):
    timeframe: Timeframe
    bars: Bars


class ReplayedMarket(BarMarket):
    """Plays `directory`'s USDT files on one clock, which starts where the leading symbol
    (BTCUSDT, else the longest file) has `HISTORY_BARS` behind it; `seed` moves the start on.

    Attributes: `sources` (symbol -> file name), `notes` (a sentence per file or symbol left out).
    Raises ValueError when no file can be played, or one cannot be read as candles.
    """

    def __init__(self, directory: Path, seed: int | None = None) -> None:
        self.notes: list[str] = []
        chosen = self._choose(directory)
        if not chosen:
            raise ValueError(
                f"No candle file of a USDT symbol in {directory}: names look like "
                "binanceusdm_BTCUSDT_15m.parquet."
            )
        leading = chosen.get(_PRIMARY) or max(chosen.values(), key=lambda f: (f.rows, f.symbol))
        series, instruments = {}, {}
        start_ms = None
        for symbol in sorted(chosen, key=lambda name: (name != leading.symbol, name)):
            instrument, bars = _read(chosen[symbol])
            if start_ms is None:
                start_ms = int(bars.open_ms[_start_index(chosen[symbol], seed)])
            if not bars.open_ms[0] <= start_ms <= bars.open_ms[-1]:
                self._note(f"{chosen[symbol].path.name} holds nothing at the start of the replay.")
                continue
            instruments[symbol] = instrument
            series[symbol] = _Series(chosen[symbol].timeframe, bars)
        assert start_ms is not None
        self.sources = {symbol: chosen[symbol].path.name for symbol in instruments}
        self._series: dict[str, _Series] = series
        played = ",".join(f"{symbol}:{name}" for symbol, name in self.sources.items())
        super().__init__(f"replayed/start={start_ms}/{played}", start_ms, instruments)

    def base_timeframe(self, symbol: str) -> Timeframe:
        return self._series[symbol].timeframe

    def history_start_ms(self, symbol: str) -> int:
        return int(self._series[symbol].bars.open_ms[0])

    def bars(self, symbol: str, start_ms: int, end_ms: int) -> Bars:
        return self._series[symbol].bars.between(start_ms, end_ms)

    def _choose(self, directory: Path) -> dict[str, _File]:
        chosen: dict[str, _File] = {}
        for path in sorted(directory.glob("*.parquet")):
            match = _FILE_NAME.match(path.name)
            if match is None or not match["symbol"].endswith("USDT"):
                self._note(f"{path.name} is not played: not a USDT symbol's candle file.")
                continue
            try:
                timeframe = Timeframe(match["timeframe"])
            except ValueError:
                self._note(f"{path.name} is not played: unknown timeframe {match['timeframe']}.")
                continue
            file = _File(path, match["symbol"], timeframe, pq.read_metadata(path).num_rows)
            other = chosen.get(file.symbol)
            if other is None or file.rank < other.rank:
                chosen[file.symbol] = file
        return chosen

    def _note(self, text: str) -> None:
        self.notes.append(text)
        log.info(text)


def _start_index(file: _File, seed: int | None) -> int:
    """A bar with enough history before it, and, where a seed picks it, as much left to play."""
    first = min(HISTORY_BARS, file.rows - 1)
    choices = file.rows - 2 * HISTORY_BARS
    if seed is None or choices <= 0:
        return first
    return first + noise.key_of("replay", seed) % choices


def _read(file: _File) -> tuple[Instrument, Bars]:
    table = pq.read_table(file.path, columns=["timestamp", *_PRICE_COLUMNS, "volume"])
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    open_ms = columns["timestamp"].astype(np.int64)
    if np.any(np.diff(open_ms) <= 0):
        raise ValueError(f"{file.path.name}: timestamps are not in order.")
    prices = np.concatenate([columns[name] for name in _PRICE_COLUMNS])
    price_decimals, ticks = _exact(prices, f"{file.path.name}: prices")
    volume_decimals, steps = _exact(columns["volume"], f"{file.path.name}: volumes")
    open_, high, low, close = ticks.reshape(4, -1)
    if np.any(high < np.maximum(open_, close)) or np.any(low > np.minimum(open_, close)):
        raise ValueError(f"{file.path.name}: a bar's open or close lies outside its range.")
    step = Decimal(1).scaleb(-volume_decimals)
    instrument = Instrument(
        exchange=EXCHANGE,
        symbol=file.symbol,
        base=file.symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal(1).scaleb(-price_decimals),
        quantity_step=step,
        min_quantity=step,
        max_quantity=max(int(steps.max()), 1) * step,  # nobody trades more than the largest bar
        min_notional=MIN_NOTIONAL,
        max_leverage=_MAX_LEVERAGE,
    )
    return instrument, Bars(open_ms, open_, high, low, close, steps)


def _exact(values: np.typing.NDArray[np.float64], what: str) -> tuple[int, Int64s]:
    """The fewest decimals that hold every value, and the values in units of the last one."""
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(f"{what} are not all positive numbers.")
    for decimals in range(_MAX_DECIMALS + 1):
        scale = 10.0**decimals
        units = np.rint(values * scale)
        # The quotient is the float nearest to the decimal, which is what the file's writer had.
        if np.array_equal(units / scale, values) and units.max() < 2**53:
            return decimals, units.astype(np.int64)
    raise ValueError(f"{what} have more than {_MAX_DECIMALS} decimals.")
