"""Trades inside one bar that give exactly that bar back: its open, high, low, close and volume.

A bridge through the bar's four prices, one trade a second. Both markets are bars first and ticks
second, so what a candle says and what the ticks showed can never differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exchanges.simulated import noise
from exchanges.simulated.market import Bools, Int64s

_TRADE_EVERY_MS = 1000
_ROUGHNESS = 0.5  # of the bar's range: how far the bridge strays from the straight line
_FEWEST_FOR_A_PATH = 4  # open, both extremes, close


class BarPath(NamedTuple):
    """As the fields of `TickBlock`."""

    times_ms: Int64s
    prices: Int64s
    quantities: Int64s
    is_buy: Bools


def bar_path(
    key: int, open_ms: int, duration_ms: int, bar: tuple[int, int, int, int, int]
) -> BarPath:
    """`bar` is open, high, low, close in ticks and volume in steps; `key` chooses the path.

    The first trade is at `open_ms` itself, the last before the bar's end. A bar with less volume
    than trades to split it over has fewer trades; only a bar that moved on less volume than its
    four prices need has trades of quantity zero.
    """
    open_, high, low, close, volume = bar
    slots = duration_ms // _TRADE_EVERY_MS
    if volume < _FEWEST_FOR_A_PATH:
        return _sparse_path(open_ms, slots, bar)
    count = min(slots, volume)
    random_bits = noise.bits(key, 0, 2 * count + 3)
    shape_bits, size_bits, choices = (
        random_bits[:count],
        random_bits[count : 2 * count],
        random_bits[2 * count :],
    )

    early, late = _two_interior_slots(int(choices[0]), int(choices[1]), count)
    low_first = (int(choices[2]) % 10) < (7 if close >= open_ else 3)
    corners = np.array([0, early, late, count - 1])
    levels = np.array([open_, low, high, close] if low_first else [open_, high, low, close])
    slot = np.arange(count)
    walk = np.cumsum(noise.bell(shape_bits))
    walk -= np.interp(slot, corners, walk[corners])
    walk *= _ROUGHNESS * (high - low) / np.sqrt(count)
    walk += np.interp(slot, corners, levels)
    prices = np.minimum(np.maximum(np.rint(walk).astype(np.int64), low), high)
    prices[corners] = levels

    weights = noise.uniform(size_bits)
    weights *= weights
    weights += 0.05
    quantities = (weights * ((volume - count) / weights.sum())).astype(np.int64) + 1
    quantities[np.argmax(quantities)] += volume - int(quantities.sum())

    is_buy = (size_bits & np.uint64(1)).astype(bool)
    is_buy[1:] = (prices[1:] > prices[:-1]) | ((prices[1:] == prices[:-1]) & is_buy[1:])
    return BarPath(open_ms + slot * slots // count * _TRADE_EVERY_MS, prices, quantities, is_buy)


def _two_interior_slots(choice_1: int, choice_2: int, count: int) -> tuple[int, int]:
    interior = count - 2
    first = choice_1 % interior
    second = (first + 1 + choice_2 % (interior - 1)) % interior
    return 1 + min(first, second), 1 + max(first, second)


def _sparse_path(open_ms: int, slots: int, bar: tuple[int, int, int, int, int]) -> BarPath:
    """Fewer steps of volume than corners: only the corners that differ, volume on the first."""
    open_, high, low, close, volume = bar
    levels = [open_]
    for level in (high, low) if close < open_ else (low, high):
        if level not in levels and level != close:
            levels.append(level)
    if close != levels[-1]:
        levels.append(close)
    prices = np.array(levels, dtype=np.int64)
    count = len(prices)
    quantities = np.zeros(count, dtype=np.int64)
    quantities[:volume] = 1
    quantities[0] += volume - int(quantities.sum())
    is_buy = np.diff(prices, prepend=prices[0]) >= 0
    slot = np.arange(count)
    return BarPath(open_ms + slot * slots // count * _TRADE_EVERY_MS, prices, quantities, is_buy)
