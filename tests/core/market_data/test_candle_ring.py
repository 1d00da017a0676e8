from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

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
    assert all((a == b).all() for a, b in zip(ring.copy(), expected, strict=True))
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
    copy = ring.copy()
    assert copy.open_time_ms.tolist() == list(held)
    assert copy.close.tolist() == list(held.values())
