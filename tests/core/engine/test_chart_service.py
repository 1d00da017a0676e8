"""What a chart shows bar by bar is what it shows when it is loaded anew."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from core.chart_service import chart_indicators
from core.market_data.columns import Columns, columns_from_candles
from core.models.candles import CandleUpdate, Timeframe
from core.models.indicators import IndicatorSpec

BTC, M15 = "BTCUSDT", Timeframe.M15


def expected(world, rows: int, newest) -> dict[str, float]:
    """TA-Lib over the newest `rows` stored bars and `newest`, all at once."""
    manager = world.feed.data.get_manager(BTC, M15)
    older = manager.history(M15, count=rows + 1)
    older = older.select(older.open_time_ms < newest.open_time_ms)
    columns = older.followed_by(columns_from_candles([newest]))
    return {name: values[-1] for name, values in chart_indicators(columns).items()}


async def test_the_forming_and_the_closed_bar_have_the_values_of_the_whole_history(world):
    await world.start()
    await world.running()
    charts = world.engine.charts["simulated"]
    closed: list[tuple[CandleUpdate, object]] = []
    world.feed.on_closed_candle.append(
        lambda update: closed.append((update, charts.closed(update)))
    )
    block = await charts.block(BTC, M15, count=300, end_ms=None)
    assert (block.rows, block.is_end_of_history) == (300, False)
    await world.hours(2.6)
    mine = [(update, live) for update, live in closed if update.symbol == BTC]
    assert len(mine) == 10
    update, live = mine[-1]
    assert live.indicators == pytest.approx(expected(world, 700, update.candle), rel=1e-9)
    forming = world.feed.forming[BTC, M15].candle
    live = charts.live(BTC, M15)
    assert live.open_time_ms == forming.open_time_ms
    assert live.indicators == pytest.approx(expected(world, 700, forming), rel=1e-9)
    again = await charts.block(BTC, M15, count=300, end_ms=None)
    ema = np.frombuffer(again.columns["ema_60"])
    assert ema[-1] == pytest.approx(mine[-1][1].indicators["ema_60"], rel=1e-9)


async def test_a_bar_that_closes_while_its_history_is_read_is_in_the_chart(world, monkeypatch):
    await world.start()
    await world.running()
    charts = world.engine.charts["simulated"]
    manager = world.feed.data.get_manager(BTC, M15)
    read, reads = manager.history, []

    def slowly(timeframe, *, count, end_ms):
        is_first = not reads  # the disk took its time, and then a bar closed
        columns = read(timeframe, count=count + is_first, end_ms=end_ms)
        reads.append(columns.rows)
        return columns.select(slice(None, count))

    await world.hours(0.5)
    monkeypatch.setattr(manager, "history", slowly)
    await charts.block(BTC, M15, count=300, end_ms=None)
    monkeypatch.undo()
    assert len(reads) == 2
    forming = world.feed.forming[BTC, M15].candle
    live = charts.live(BTC, M15)
    assert live.indicators == pytest.approx(expected(world, 600, forming), rel=1e-9)


async def test_charts_that_no_screen_shows_are_neither_streamed_nor_kept_up(world):
    await world.start([], autostart=False)
    charts = world.engine.charts["simulated"]
    await charts.block("SOLUSDT", M15, count=50, end_ms=None)  # a picture that nobody watches
    world.engine.show({(BTC, M15), ("NOSUCHUSDT", M15)})  # of another exchange, from last time
    assert world.feed.streamed_symbols == {BTC}
    await charts.block(BTC, M15, count=50, end_ms=None)
    await asyncio.sleep(1)
    assert charts.live(BTC, M15) is not None
    assert charts.live("SOLUSDT", M15) is None
    assert set(world.exchange._bars) == {(BTC, M15)}
    world.engine.show({(BTC, Timeframe.H1)})
    assert charts.live(BTC, M15) is None
    assert set(world.exchange._bars) == {(BTC, Timeframe.H1)}
    world.engine.show(set())
    assert not world.exchange._bars


async def test_a_chart_that_is_closed_takes_nothing_from_a_bot(world):
    await world.start([world.bot(BTC)])
    await world.running()
    world.engine.show({(BTC, M15), (BTC, Timeframe.H1)})
    world.engine.show(set())
    assert set(world.exchange._bars) == {(BTC, M15)}


async def test_a_chart_chooses_its_indicators_and_keeps_them_on_the_forming_bar(world):
    await world.start()
    await world.running()
    charts = world.engine.charts["simulated"]
    specs = (IndicatorSpec("bollinger", (20, 2)), IndicatorSpec("vwap"))
    block = await charts.block(BTC, M15, count=300, end_ms=None, indicators=specs)
    names = {"bollinger_20_2", "bollinger_upper_20_2", "bollinger_lower_20_2", "vwap"}
    assert set(block.columns) == {*Columns._fields, *names}
    assert np.isfinite(np.frombuffer(block.columns["vwap"])).all()
    await charts.block(BTC, M15, count=300, end_ms=None)  # another chart of the same series
    await world.hours(1.1)
    forming = world.feed.forming[BTC, M15].candle
    live = charts.live(BTC, M15)
    assert set(live.indicators) > names
    newest = await charts.block(BTC, M15, count=300, end_ms=None, indicators=specs)
    closes = [*np.frombuffer(newest.columns["close"])[-19:], float(forming.close)]
    assert live.indicators["bollinger_20_2"] == pytest.approx(np.mean(closes), rel=1e-9)


async def test_an_indicator_that_does_not_exist_is_refused(world):
    await world.start()
    charts = world.engine.charts["simulated"]
    with pytest.raises(ValueError, match="no indicator 'magic'"):
        await charts.block(BTC, M15, count=9, end_ms=None, indicators=(IndicatorSpec("magic"),))
