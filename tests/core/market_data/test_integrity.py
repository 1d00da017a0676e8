from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market_data.integrity import BadCandle, check_candle, is_large_move, missing_ranges
from core.models.candles import Candle, SeriesKey

MakeBar = Callable[..., Candle]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"high": Decimal(59_999)}, "high 59999 is below"),
        ({"low": Decimal(60_001)}, "low 60001 is above"),
        ({"close": Decimal(0), "low": Decimal(0)}, "not above zero"),
        ({"open": Decimal("NaN")}, "not a number"),
        ({"volume": Decimal("Infinity")}, "not a number"),
        ({"volume": Decimal(-1)}, "volume -1 is negative"),
        ({"volume": Decimal("1e21")}, "more digits"),
        ({"volume": Decimal("1e-19")}, "more digits"),
        ({"open_time_ms": 1_700_000_000_001}, "no 15m bar opens at that time"),
    ],
)
def test_candle_that_cannot_be_true_is_refused_with_a_sentence(
    key: SeriesKey, bar: MakeBar, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(BadCandle, match=words):
        check_candle(key, bar(0, **fields))


def test_flat_candle_without_volume_is_fine(key: SeriesKey, bar: MakeBar) -> None:
    price = Decimal("1e-8")
    check_candle(key, bar(0, open=price, high=price, low=price, close=price, volume=Decimal(0)))


def test_move_of_more_than_half_is_large() -> None:
    assert is_large_move(Decimal(100), Decimal("150.01"))
    assert is_large_move(Decimal(100), Decimal("49.99"))
    assert not is_large_move(Decimal(100), Decimal(150))


@given(
    present=st.sets(st.integers(0, 40)),
    empty=st.lists(st.tuples(st.integers(-5, 45), st.integers(0, 10)), max_size=4),
    first=st.integers(0, 20),
    length=st.integers(0, 30),
)
def test_missing_is_what_is_neither_present_nor_empty(
    present: set[int], empty: list[tuple[int, int]], first: int, length: int
) -> None:
    step = 60_000
    last = first + length - 1
    ranges = missing_ranges(
        np.array(sorted(present), dtype=np.int64) * step,
        [(start * step, (start + size) * step) for start, size in empty],
        first * step,
        last * step,
        step,
    )
    found = [n for a, b in ranges for n in range(a // step, b // step + 1)]
    known = present | {n for start, size in empty for n in range(start, start + size + 1)}
    assert found == [n for n in range(first, last + 1) if n not in known]
    assert all(b + step < a for (_, b), (a, _) in pairwise(ranges))


def test_a_gap_of_thirty_thousand_years_costs_nothing() -> None:
    present = np.array([0, 60_000], dtype=np.int64)
    assert missing_ranges(present, [(120_000, 120_000)], 0, 6 * 10**14, 60_000) == [
        (180_000, 6 * 10**14)
    ]
