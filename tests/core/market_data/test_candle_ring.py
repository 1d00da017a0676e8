from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market_data.columns import CandleRing, columns_from_candles
from core.models.candles import Candle


def test_ring_keeps_the_newest_and_its_memory_does_not_grow(bar: Callable[..., Candle]) -> None:
    ring = CandleRing(100)
    memory_bytes = ring.memory_bytes
    for number in range(1_000):
        ring.put(bar(number))
    expected = columns_from_candles([bar(n) for n in range(900, 1_000)])
    assert all((a == b).all() for a, b in zip(ring.view(), expected, strict=True))
    assert ring.memory_bytes == memory_bytes


@given(order=st.lists(st.integers(0, 60), max_size=120), capacity=st.integers(1, 20))
def test_any_order_gives_the_newest_in_order(order: list[int], capacity: int) -> None:
    ring = CandleRing(capacity)
    held: dict[int, int] = {}
    for turn, number in enumerate(order):
        value = Decimal(turn + 1)
        ring.put(Candle(number, value, value, value, value, value))
        held[number] = turn + 1
        held = dict(sorted(held.items())[-capacity:])
    copy = ring.view()
    assert copy.open_time_ms.tolist() == list(held)
    assert copy.close.tolist() == list(held.values())


def test_what_was_handed_out_stays_as_it_was(bar: Callable[..., Candle]) -> None:
    ring = CandleRing(50)
    seen = []
    for number in range(300):
        ring.put(bar(number))
        if number % 40 == 0:
            ring.put(bar(number, close=Decimal(7)))  # a correction
        if number % 90 == 0:
            ring.drop_from(bar(number - 5).open_time_ms)
        view = ring.view()
        seen.append((view, [column.copy() for column in view]))
    for view, copies in seen:
        assert all((a == b).all() for a, b in zip(view, copies, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        seen[0][0].close[0] = 1.0


@given(lengths=st.lists(st.integers(0, 70), max_size=12), capacity=st.integers(1, 40))
def test_many_at_once_equal_one_by_one(lengths: list[int], capacity: int) -> None:
    ring, single = CandleRing(capacity), CandleRing(capacity)
    number = 0
    for length in lengths:
        values = [Decimal(n + 1) for n in range(number, number + length)]
        candles = [Candle(int(v), v, v, v, v, v) for v in values]
        number += length
        ring.extend(columns_from_candles(candles))
        for candle in candles:
            single.put(candle)
    assert all((a == b).all() for a, b in zip(ring.view(), single.view(), strict=True))
