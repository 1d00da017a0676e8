"""The board shows what the managers hold, whatever has happened to them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, Timeframe
from core.scanning.board import CandleBoard

STEP_MS = Timeframe.M15.duration_ms
START_MS = 1_767_571_200_000
BARS = 8


def candle(number: int, salt: int = 0) -> Candle:
    price = Decimal(100 + number % 17 + salt)
    return Candle(START_MS + number * STEP_MS, price, price + 2, price - 2, price + 1, Decimal(3))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[SharedDataManager]:
    manager = SharedDataManager(
        "bybit", cache_dir=tmp_path, clock=ManualClock(START_MS + 10_000 * STEP_MS)
    )
    yield manager
    manager.close()


def shown(board: CandleBoard, symbol: str) -> np.ndarray:
    return np.array([column[0] for column in board.matrix([symbol])])


def held(manager: BotDataManager) -> np.ndarray:
    columns = manager.recent(BARS)
    rows = np.full((5, BARS), np.nan)
    if columns.rows:
        rows[:, BARS - columns.rows :] = columns[1:]
    return rows


@settings(max_examples=20)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["next", "skip", "correct", "fill"]),
            st.sampled_from(["AUSDT", "BUSDT"]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_a_row_is_what_its_manager_holds(
    changes: list[tuple[str, str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = ManualClock(START_MS + 10_000 * STEP_MS)
    data = SharedDataManager("bybit", cache_dir=tmp_path_factory.mktemp("board"), clock=clock)
    board = CandleBoard(BARS, Timeframe.M15)
    numbers = {"AUSDT": 0, "BUSDT": 0}
    skipped: dict[str, list[int]] = {"AUSDT": [], "BUSDT": []}
    try:
        for number, (kind, symbol, is_looked_at) in enumerate(changes):
            manager = data.get_manager(symbol)
            newest = numbers[symbol]
            if kind == "correct" and newest:
                manager.append_candle(candle(newest, salt=number % 5 + 1), save=False)
            elif kind == "fill" and skipped[symbol]:
                manager.append_candle(candle(skipped[symbol].pop()), save=False)
            else:
                if kind == "skip":
                    numbers[symbol] += 1
                    skipped[symbol].append(numbers[symbol])
                numbers[symbol] += 1
                manager.append_candle(candle(numbers[symbol]), save=False)
            if is_looked_at:
                board.follow(symbol, manager)
                np.testing.assert_array_equal(shown(board, symbol), held(manager))
        for symbol in numbers:
            manager = data.get_manager(symbol)
            board.follow(symbol, manager)
            np.testing.assert_array_equal(shown(board, symbol), held(manager))
            newest_ms = manager.newest.open_time_ms if manager.newest else None
            assert board.newest_open_ms(symbol) == newest_ms
            closes = np.frombuffer(board.closes(symbol, 5), "<f4")
            expected = manager.recent(5).close.astype("f4")
            np.testing.assert_array_equal(closes, expected)
    finally:
        data.close()


def test_nothing_is_done_for_a_series_that_has_not_changed(data: SharedDataManager) -> None:
    board, manager = CandleBoard(BARS, Timeframe.M15), data.get_manager("AUSDT")
    manager.append_candle(candle(1), save=False)
    assert board.follow("AUSDT", manager)
    assert not board.follow("AUSDT", manager)
    manager.append_candle(candle(2), save=False)
    assert board.follow("AUSDT", manager)


def test_a_closed_bar_costs_no_look_at_the_others(
    data: SharedDataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, manager = CandleBoard(BARS, Timeframe.M15), data.get_manager("AUSDT")
    for number in range(BARS):
        manager.append_candle(candle(number), save=False)
    board.follow("AUSDT", manager)
    monkeypatch.setattr(manager, "recent", None)  # to be called would fail
    for number in range(BARS, 5 * BARS):
        manager.append_candle(candle(number), save=False)
        board.follow("AUSDT", manager)
    monkeypatch.undo()
    np.testing.assert_array_equal(shown(board, "AUSDT"), held(manager))


def test_rows_are_used_again_and_show_nothing_of_their_former_symbol(
    data: SharedDataManager,
) -> None:
    board = CandleBoard(BARS, Timeframe.M15)
    for number in range(40):
        old, new = f"S{number}USDT", f"S{number + 1}USDT"
        for symbol in (old, new):
            manager = data.get_manager(symbol)
            manager.append_candle(candle(number), save=False)
            board.follow(symbol, manager)
        board.forget(keep={new})
        assert board.newest_open_ms(old) is None
        assert board.closes(old, 5) == b""
        np.testing.assert_array_equal(shown(board, new), held(data.get_manager(new)))
    assert board._values.shape[1] == 16  # as many rows as were ever needed at once


def test_a_matrix_does_not_change_any_more(data: SharedDataManager) -> None:
    board, manager = CandleBoard(BARS, Timeframe.M15), data.get_manager("AUSDT")
    for number in range(BARS):
        manager.append_candle(candle(number), save=False)
    board.follow("AUSDT", manager)
    matrix = board.matrix(["AUSDT"])
    before = [column.copy() for column in matrix]
    manager.append_candle(candle(BARS), save=False)
    board.follow("AUSDT", manager)
    board.forget(keep=set())
    for column, copy in zip(matrix, before, strict=True):
        np.testing.assert_array_equal(column, copy)
