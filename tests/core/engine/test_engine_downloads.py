"""History fetched inside a trading engine: in its own time, complete, and beside the bots."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from core.download_service import DownloadRefused
from core.models.candles import SeriesKey, Timeframe
from core.snapshots import BotState, DownloadState

if TYPE_CHECKING:
    from conftest import World

DAY_MS = 86_400_000
BTC, ETH = "BTCUSDT", "ETHUSDT"


def key(world: World, symbol: str, timeframe: Timeframe = Timeframe.M5) -> SeriesKey:
    return SeriesKey(world.exchange.exchange, symbol, timeframe)


def is_over(world: World) -> bool:
    snapshot = world.engine.downloads.snapshot()
    return snapshot is not None and snapshot.state not in (
        DownloadState.RUNNING,
        DownloadState.PAUSED,
    )


async def test_a_download_completes_while_the_bots_trade(world: World) -> None:
    await world.start()
    await world.running()
    start_ms = world.clock.time_ms() - 10 * DAY_MS
    world.engine.downloads.start([BTC, ETH], Timeframe.M5, start_ms)
    await world.until(lambda: is_over(world))
    snapshot = world.engine.downloads.snapshot()
    assert snapshot is not None
    assert (snapshot.state, snapshot.state_text) == (DownloadState.DONE, "Everything is there.")
    store = world.feed.data.store
    for symbol in (BTC, ETH):
        stored = store.read(key(world, symbol))
        truth = world.venue.candles(
            symbol, Timeframe.M5, start_ms=start_ms, end_ms=stored[-1].open_time_ms, limit=5_000
        )
        assert len(stored) >= 10 * 288 - 1
        assert stored == truth
    assert all(bot.state is BotState.RUNNING for bot in world.engine.bots.values())
    assert world.engine.supervisor.unhandled_exceptions == 0


async def test_the_series_of_a_bot_grows_backwards_without_a_hole_in_its_memory(
    world: World,
) -> None:
    await world.start()
    await world.running()
    manager = world.feed.data.get_manager(BTC, Timeframe.M15)
    world.engine.downloads.start([BTC], Timeframe.M15, world.clock.time_ms() - 60 * DAY_MS)
    await world.until(lambda: is_over(world))
    assert manager.info.rows >= 60 * 96 - 1
    assert manager.gaps() == []
    assert manager.rows_in_memory == 1000


async def test_paused_it_waits_and_cancelled_it_keeps_what_came(world: World) -> None:
    await world.start()
    await world.running()
    downloads = world.engine.downloads
    downloads.start([BTC], Timeframe.M1, world.clock.time_ms() - 200 * DAY_MS)
    await asyncio.sleep(1)
    downloads.pause()
    await asyncio.sleep(5)
    done = [row.done for row in downloads.snapshot().symbols]  # type: ignore[union-attr]
    await asyncio.sleep(60)
    assert [row.done for row in downloads.snapshot().symbols] == done  # type: ignore[union-attr]
    assert done[0] > 0
    downloads.resume()
    downloads.cancel()
    await asyncio.sleep(5)
    assert downloads.snapshot().state is DownloadState.CANCELLED  # type: ignore[union-attr]
    assert len(world.feed.data.store.read(key(world, BTC, Timeframe.M1))) >= done[0]
    for refused in (downloads.pause, downloads.resume, downloads.cancel):
        with pytest.raises(DownloadRefused, match="No download is running"):
            refused()


async def test_what_cannot_be_downloaded_is_refused_with_a_reason(world: World) -> None:
    await world.start()
    downloads, now_ms = world.engine.downloads, world.clock.time_ms()
    for symbols, timeframe, start_ms, exchange, reason in (
        ([], Timeframe.M15, 0, "", "Choose 1 to"),
        ([BTC], Timeframe.MONTH, 0, "", "made from 1d bars"),
        ([BTC], Timeframe.M15, now_ms + 1, "", "in the future"),
        ([BTC], Timeframe.M15, 0, "nowhere", "No account is at the exchange 'nowhere'"),
    ):
        with pytest.raises(DownloadRefused, match=reason):
            downloads.start(symbols, timeframe, start_ms, exchange)
    assert downloads.snapshot() is None


async def test_gaps_are_repaired_by_a_click(world: World) -> None:
    await world.start()
    await world.running()
    series = key(world, ETH)
    store = world.feed.data.store
    last_ms = Timeframe.M5.floor_ms(world.clock.time_ms()) - DAY_MS
    truth = world.venue.candles(
        ETH, Timeframe.M5, start_ms=last_ms - DAY_MS, end_ms=last_ms, limit=1_000
    )
    store.append((series, candle) for candle in (*truth[:50], *truth[80:90], *truth[95:]))
    downloads = world.engine.downloads
    listed = {(row.symbol, row.timeframe): row for row in await downloads.stored_series()}
    assert listed[BTC, "15m"].memory_bytes > 0
    said = await downloads.repair(ETH, Timeframe.M5)
    assert said == "35 candles came; ETHUSDT 5m has no gaps any more."
    assert store.read(series) == truth
    assert await downloads.repair(ETH, Timeframe.M5) == "ETHUSDT 5m has no gaps."
    with pytest.raises(DownloadRefused, match="There are no stored candles of SOLUSDT 4h"):
        await downloads.repair("SOLUSDT", Timeframe.H4)


async def test_an_engine_that_ends_takes_its_download_with_it_in_order(world: World) -> None:
    await world.start()
    await world.running()
    world.engine.downloads.start([BTC], Timeframe.M1, world.clock.time_ms() - 200 * DAY_MS)
    await asyncio.sleep(1)
    await world.engine.stop()
    snapshot = world.engine.downloads.snapshot()
    assert snapshot is not None
    assert snapshot.state is DownloadState.CANCELLED
    await world.start()  # the same again goes on
    world.engine.downloads.start([BTC], Timeframe.M1, world.clock.time_ms() - 4 * DAY_MS)
    await world.until(lambda: is_over(world))
    assert world.engine.downloads.snapshot().state is DownloadState.DONE  # type: ignore[union-attr]
