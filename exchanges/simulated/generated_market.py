"""Fifty perpetuals that move like a crypto market, made from a seed.

Every day of every symbol is a pure function of (seed, symbol, day), so any stretch of history can
be asked for without making what lies before it. Two scales are joined: a slow walk gives each
day's first price, and inside the day a minute walk is bent so that it ends where the next begins.

What gives it the character of a market: volatility that clusters on four scales (a cascade rather
than GARCH, which would need its own past), a factor that all symbols share, jumps, volume that
follows volatility and is largest at both ends of the day.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import numpy as np

from core.models.candles import Timeframe
from exchanges.simulated import noise
from exchanges.simulated.bar_market import BarMarket, Bars, joined
from exchanges.simulated.instruments import CHARACTERS
from exchanges.simulated.market import Int64s

DEFAULT_START_MS = 1_767_571_200_000  # 2026-01-05 00:00 UTC, a Monday

_IDENTITY = re.compile(r"generated/seed=(?P<seed>-?\d+)/start=(?P<start>\d+)")
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_MINUTES = 1440
_HISTORY_DAYS = 1200
_DAYS_AT_ONCE = 2048
_DAYS_KEPT = 400  # blocks of 1440 bars, 70 KB each
_FIRST_DAY = DEFAULT_START_MS // _DAY_MS - _HISTORY_DAYS
_REVERSION = 0.993  # of a day's log price kept to the next: prices keep their scale over years
_DAY_CALM = 0.93  # of a day's log volatility kept to the next
_DAY_CALM_NOISE = 0.16
_CASCADE = ((12, 0.30), (90, 0.28), (480, 0.26))  # minutes between nodes, strength in log vol
_JUMPS_PER_DAY = 0.6
_COMMON_JUMPS_PER_DAY = 0.15
_U_SHAPE = 1.1  # how much more volume at the day's ends than in its middle


class GeneratedMarket(BarMarket):
    """`start_ms` is ms UTC, a whole minute; about three years of history lie before it.

    A seed's market at another start is the same one, moved: the same prices and trades so long
    after the start. Attributes: `seed`; `is_moved`: not at `DEFAULT_START_MS`.
    """

    def __init__(self, seed: int, start_ms: int = DEFAULT_START_MS) -> None:
        own = f"generated/seed={seed}"
        super().__init__(
            f"{own}/start={start_ms}",  # as `of_identity` reads it
            start_ms,
            {character.symbol: character.instrument for character in CHARACTERS},
            noise_name=f"{own}/start={DEFAULT_START_MS}",
            moved_ms=start_ms - DEFAULT_START_MS,
        )
        self.seed = seed
        self.is_moved = start_ms != DEFAULT_START_MS
        self._row = {character.symbol: i for i, character in enumerate(CHARACTERS)}
        self._volatility = np.array([c.daily_volatility for c in CHARACTERS])
        self._share = np.array([c.market_share for c in CHARACTERS])
        self._log_price = np.zeros((1, len(CHARACTERS)))  # at each day's start, from _first_day
        self._calm = np.zeros(1)  # log volatility of all, likewise
        self._make_days(_HISTORY_DAYS + _DAYS_AT_ONCE)
        base = np.log([float(c.price) for c in CHARACTERS])
        self._log_scale = base - self._log_price[_HISTORY_DAYS]
        self._blocks: OrderedDict[tuple[str, int], Bars] = OrderedDict()

    @classmethod
    def of_identity(cls, identity: str) -> GeneratedMarket | None:
        """The market that books name as theirs; None when that is not a generated one."""
        match = _IDENTITY.fullmatch(identity)
        return cls(int(match["seed"]), int(match["start"])) if match else None

    def base_timeframe(self, symbol: str) -> Timeframe:  # noqa: ARG002 - the same for all
        return Timeframe.M1

    def history_start_ms(self, symbol: str) -> int:  # noqa: ARG002
        return _FIRST_DAY * _DAY_MS + self.moved_ms

    def bars(self, symbol: str, start_ms: int, end_ms: int) -> Bars:
        first_day = max((start_ms - self.moved_ms) // _DAY_MS, _FIRST_DAY)
        last_day = max((end_ms - self.moved_ms - 1) // _DAY_MS, first_day)
        parts = [
            self._day_bars(symbol, day).between(start_ms, end_ms)
            for day in range(first_day, last_day + 1)
        ]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _make_days(self, count: int) -> None:
        """Continue the slow walk by `count` days, all symbols at once."""
        made = len(self._log_price)
        steps = {
            name: noise.bell(noise.bits(noise.key_of(self.seed, name), made, count))
            for name in ("market", "calm")
        }
        own = np.stack(
            [
                noise.bell(noise.bits(noise.key_of(self.seed, c.symbol, "day"), made, count))
                for c in CHARACTERS
            ],
            axis=1,
        )
        log_price = np.vstack([self._log_price, np.empty((count, len(CHARACTERS)))])
        calm = np.append(self._calm, np.empty(count))
        rest = np.sqrt(1 - self._share**2)
        for i in range(count):
            day = made + i
            calm[day] = _DAY_CALM * calm[day - 1] + _DAY_CALM_NOISE * steps["calm"][i]
            move = self._share * steps["market"][i] + rest * own[i]
            log_price[day] = (
                _REVERSION * log_price[day - 1] + self._volatility * np.exp(calm[day - 1]) * move
            )
        self._log_price, self._calm = log_price, calm

    def _day_bars(self, symbol: str, day: int) -> Bars:
        name = (symbol, day)
        block = self._blocks.get(name)
        if block is None:
            block = self._blocks[name] = self._make_bars(symbol, day)
            if len(self._blocks) > _DAYS_KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(name)
        return block

    def _make_bars(self, symbol: str, day: int) -> Bars:
        row, minute = self._row[symbol], day * _MINUTES
        index = day - _FIRST_DAY
        while index + 1 >= len(self._log_price):
            self._make_days(_DAYS_AT_ONCE)
        start, end = self._log_price[index : index + 2, row] + self._log_scale[row]

        calm = np.linspace(self._calm[index], self._calm[index + 1], _MINUTES)
        for scale, strength in _CASCADE:
            shared = noise.smooth(noise.key_of(self.seed, "calm", scale), minute, _MINUTES, scale)
            own = noise.smooth(noise.key_of(self.seed, symbol, scale), minute, _MINUTES, scale)
            calm += strength * (0.7 * shared + 0.7 * own - 0.65 * strength)
        sigma = self._volatility[row] / np.sqrt(_MINUTES) * np.exp(calm)  # of each minute
        share = self._share[row]
        moves = share * self._shocks("market", minute, _COMMON_JUMPS_PER_DAY) + np.sqrt(
            1 - share**2
        ) * self._shocks(symbol, minute, _JUMPS_PER_DAY)
        path = np.cumsum(sigma * moves)
        variance = np.cumsum(sigma * sigma)
        path -= variance / variance[-1] * (path[-1] - (end - start))
        path += start
        path[-1] = end  # exactly where the next day begins

        instrument = self.instruments[symbol]
        opening = np.concatenate(([start], path[:-1]))
        random_bits = noise.bits(noise.key_of(self.seed, symbol, "wick"), 3 * minute, 3 * _MINUTES)
        first, second, third = random_bits.reshape(3, _MINUTES)
        step = path - opening
        high = opening + _bridge_extreme(step, sigma, noise.uniform(first))
        low = opening - _bridge_extreme(-step, sigma, noise.uniform(second))
        opens, highs, lows, closes = (
            _in_ticks(log_price, float(instrument.tick_size))
            for log_price in (opening, high, low, path)
        )

        at = np.linspace(-1, 1, _MINUTES)
        turnover = CHARACTERS[row].minute_turnover * (0.6 + _U_SHAPE * at * at)
        turnover *= np.exp(calm + 0.5 * noise.bell(third)) * (0.6 + 0.5 * np.abs(moves))
        lots = turnover / np.exp(path) / float(instrument.quantity_step)
        return Bars(
            np.arange(minute, minute + _MINUTES) * _MINUTE_MS + self.moved_ms,
            opens,
            np.maximum(highs, np.maximum(opens, closes)),
            np.minimum(lows, np.minimum(opens, closes)),
            closes,
            lots.astype(np.int64) + 4,
        )

    def _shocks(self, name: str, minute: int, jumps_per_day: float) -> noise.Floats:
        """Standard moves of a day's minutes; now and then one is four to ten times as large."""
        moves = noise.bell(noise.bits(noise.key_of(self.seed, name, "move"), minute, _MINUTES))
        chance = noise.uniform(
            noise.bits(noise.key_of(self.seed, name, "jump"), minute, _MINUTES)
        ) * (_MINUTES / jumps_per_day)
        jumping = chance < 1
        moves[jumping] = np.sign(moves[jumping]) * (4 + 6 * chance[jumping])
        return moves


def _bridge_extreme(step: noise.Floats, sigma: noise.Floats, chance: noise.Floats) -> noise.Floats:
    """How far a Brownian bridge that ends at `step` rises above its start (exact distribution)."""
    rise: noise.Floats = (step + np.sqrt(step * step - 2 * sigma * sigma * np.log1p(-chance))) / 2
    return rise


def _in_ticks(log_price: noise.Floats, tick: float) -> Int64s:
    return np.maximum(np.rint(np.exp(log_price) / tick), 1).astype(np.int64)
