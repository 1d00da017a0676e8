"""Prices are streamed for as long as somebody needs them, and not a moment longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from test_engine_multi_trader import (
    MULTI,
    SETTINGS,
    ask,
    in_position,
    multi_spec,
    scored,
    shown,
)
from test_engine_multi_trader import scanning as scanning  # noqa: PLC0414 (a fixture)

from core import account_desk
from core.clock import ManualClock
from core.commands import AddPriceAlert, ChangeScanSettings
from core.followed_prices import FollowedPrices
from core.models.alerts import AlertWish
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.snapshot_builder import SnapshotBuilder

ETH, SOL = "ETHUSDT", "SOLUSDT"


@pytest.fixture(autouse=True)
def no_watchlist(monkeypatch):
    """The watchlist needs the busiest fifty whatever the bots do; these markets have ten."""
    monkeypatch.setattr(account_desk, "WATCHED_SYMBOLS", 0)


class Port:
    def __init__(self) -> None:
        self.streamed: list[str] = []

    def subscribe_tickers(self, symbols: list[str]) -> None:
        assert not set(self.streamed) & set(symbols), "what is streamed is not asked for again"
        self.streamed += symbols

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        for symbol in symbols:
            self.streamed.remove(symbol)


def test_what_one_lets_go_of_another_keeps() -> None:
    port, gone = Port(), []
    prices = FollowedPrices(port, ManualClock(), gone.append)
    prices.add(["A", "B"], by="one")
    prices.add(["B", "C"], by="two")
    prices.replace(["C", "D"], by="one")
    assert sorted(port.streamed) == ["B", "C", "D"]
    assert gone == ["A"]
    assert "B" in prices
    assert "A" not in prices
    prices.replace((), by="two")
    prices.replace((), by="two")
    assert sorted(port.streamed) == ["C", "D"]
    assert gone == ["A", "B"]


async def narrowed(world: Any, **changes: object) -> set[str]:
    """Other settings; the symbols that are watched then."""
    settings = msgspec.structs.replace(SETTINGS, **changes)
    await ask(world, ChangeScanSettings(MULTI, settings))
    await world.hours(0.1)
    return {row.symbol for row in shown(world).rows}


async def test_prices_of_symbols_that_leave_the_universe_end(
    scanning: Callable[..., Any],
) -> None:
    world = scanning()
    await world.start([multi_spec(msgspec.structs.replace(SETTINGS, signal_threshold=100))])
    await world.running()
    await scored(world)
    await world.until(lambda: len(world.feed.tickers) == 10, within_h=1)
    assert len(world.exchange._tickers) == 10
    watched = await narrowed(world, signal_threshold=100, watch_count=3)
    assert len(watched) == 3
    assert set(world.exchange._tickers) == set(world.feed.tickers) == watched
    assert {row.ticker.symbol for row in SnapshotBuilder(world.engine).build([]).tickers} == watched
    watched = await narrowed(world, signal_threshold=100, watch_count=5)
    assert set(world.feed.tickers) == watched, "and come back with them"
    await world.engine.stop_bot(MULTI, close_position=False)
    assert not world.exchange._tickers


async def test_a_symbol_with_a_position_keeps_price_and_candles_until_it_is_flat(
    scanning: Callable[..., Any],
) -> None:
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    watched = await narrowed(world, signal_threshold=100, blocklist=(symbol,))
    assert symbol in watched
    assert symbol in world.feed.tickers
    assert symbol in {name for name, _ in world.exchange._bars}
    world.engine.close_position("demo", symbol)
    await world.until(lambda: symbol not in world.held(), within_h=1)
    await world.until(lambda: symbol not in world.exchange._tickers, within_h=1)
    assert symbol not in {name for name, _ in world.exchange._bars}
    assert symbol not in world.feed.tickers


async def test_the_position_of_a_stopped_bot_keeps_its_price(scanning: Callable[..., Any]) -> None:
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    await world.engine.stop_bot(MULTI, close_position=False)
    await world.hours(0.1)
    assert set(world.exchange._tickers) == set(world.feed.tickers) == {symbol}


async def test_an_alert_keeps_its_price_also_over_a_restart(world: Any) -> None:
    await world.start([world.bot(ETH)])
    await world.until(lambda: ETH in world.feed.tickers)
    price = world.feed.tickers[ETH].last_price
    assert (await ask(world, AddPriceAlert(AlertWish(symbol=ETH, price=2 * price)))).ok
    await asyncio.sleep(6)
    await world.engine.stop_bot(f"{ETH.lower()}-15m", close_position=False)
    assert set(world.exchange._tickers) == {ETH}
    await world.stop()
    await world.start([], autostart=False)
    await world.until(lambda: ETH in world.feed.tickers, within_h=1)


async def test_a_price_in_view_stays_and_a_look_begins_none(world: Any) -> None:
    await world.start([world.bot(ETH)])
    await world.until(lambda: ETH in world.feed.tickers)
    world.engine.show({(ETH, Timeframe.H1), (SOL, Timeframe.H1)})
    await world.engine.stop_bot(f"{ETH.lower()}-15m", close_position=False)
    assert set(world.exchange._tickers) == {ETH}
    world.engine.show(set())
    assert not world.exchange._tickers


async def test_nobody_is_warned_of_the_silence_of_what_was_let_go_of(world: Any) -> None:
    await world.start([], autostart=False)
    world.feed.prices.add([ETH], by="a test")
    world.feed.on_topic_state(Topic(Channel.TICKER, ETH), TopicState.STALE, "nothing has come")
    world.feed.prices.replace((), by="a test")
    await asyncio.sleep(90)
    assert not world.notices("market data")


async def test_a_bot_may_be_called_as_its_account(world: Any) -> None:
    """Who needs a price is told apart all the same."""
    bot = msgspec.structs.replace(world.bot(ETH), bot_id="demo")
    await world.start([bot])
    await world.running()
    await asyncio.sleep(3)  # the account has looked at what it holds
    assert ETH in world.exchange._tickers
    await world.engine.stop_bot("demo", close_position=True)
    await asyncio.sleep(3)
    assert ETH not in world.exchange._tickers


async def test_the_candles_of_a_bot_are_followed_until_it_is_removed(world: Any) -> None:
    """One that only stands still keeps its candles complete."""
    await world.start([world.bot(ETH)])
    await world.running()
    bot_id = f"{ETH.lower()}-15m"
    await world.engine.stop_bot(bot_id, close_position=True)
    assert {symbol for symbol, _ in world.exchange._bars} == {ETH}
    world.engine.remove_bot(bot_id)
    assert not world.exchange._bars
