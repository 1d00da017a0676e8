"""Signals from one exchange's candles, orders on another at that one's prices."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from app.command_handler import CommandHandler
from app.config import AccountConfig
from app.wiring import assemble_engine
from core.bots.bot_spec import BotSpec
from core.commands import GetCandles, Request
from core.engine import Refused
from core.events import Signal
from core.exchange_port import StreamKind
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.models.candles import Timeframe
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import SymbolState
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import AccountMode
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.venue import Venue

HERE, THERE = "simulated", "elsewhere"


class Market(GeneratedMarket):
    """A few symbols."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.instruments = dict(list(self.instruments.items())[:4])


class Elsewhere(SimulatedExchange):
    """Another exchange, with prices of its own."""

    @property
    def exchange(self) -> str:
        return THERE


@pytest.fixture
async def world(open_world: Any) -> AsyncIterator[Any]:
    """Trades `HERE`; `far` is the port of the other exchange."""
    made = open_world(market=Market(12), stream_interval_s=1.0)
    far_venue = Venue(market=Market(77), clock=made.clock)

    def build() -> None:
        made.exchange = made.make_port()
        made.far = Elsewhere("far", venue=far_venue, stream_interval_s=1.0, latency_s=0.02)
        ports = {"demo": made.exchange, "far": made.far}
        made.engine = assemble_engine(
            [AccountConfig(name, port.exchange, AccountMode.DEMO) for name, port in ports.items()],
            data_dir=made.data_dir,
            clock=made.clock,
            rng=random.Random(7),
            limiters=MultiExchangeRateLimiter(made.clock),
            open_port=lambda account: ports[account.name],
        )
        made._is_up = True

    made.build = build
    yield made
    far_venue.close()


def spec(kind: str, symbol: str, strategy: str, **more: Any) -> BotSpec:
    return BotSpec(
        "bot", kind, "demo", symbol, Timeframe.M15, strategy, signal_exchange=THERE, **more
    )


def heard_signals(world: Any) -> list[tuple[Signal, Decimal, Decimal]]:
    """Each with the last price here and the close of its candle there."""
    heard: list[tuple[Signal, Decimal, Decimal]] = []

    def on_signal(signal: Signal) -> None:
        here, there = world.engine.feeds[HERE], world.engine.feeds[THERE]
        manager = there.data.get_manager(signal.symbol, Timeframe.M15)
        heard.append((signal, here.tickers[signal.symbol].last_price, manager.newest.close))

    world.desk.bus.subscribe(Signal, on_signal, part="test")
    return heard


@pytest.mark.parametrize(
    ("bot", "stop_atr"),
    [
        (spec("UnifiedBot", "BTCUSDT", "macd_rsi_trend"), Decimal(1)),
        (
            spec("MultiTrader", "", "rsi_pattern", scan=ScanSettings(signal_threshold=60.0)),
            Decimal("1.5"),
        ),
    ],
    ids=["unified", "multi"],
)
async def test_signals_come_from_there_and_prices_from_here(
    world: Any, bot: BotSpec, stop_atr: Decimal
) -> None:
    await world.start([bot])
    await world.running()
    heard = heard_signals(world)
    await world.until(lambda: len(world.desk.trades.round_trips) >= 2, within_h=96)
    assert heard
    for signal, price_here, close_there in heard:
        assert signal.reference_price == price_here
        assert abs(price_here - close_there) / close_there > Decimal("0.001"), "two markets"
        # distances are of the traded price what they are of the judged one
        atr_there = Decimal(str(signal.evidence["atr"]))
        stop_share = signal.stop_distance / signal.reference_price
        assert abs(stop_share / (atr_there / close_there) - stop_atr) < Decimal("0.0001")
    assert all(trip.bot_id == "bot" for trip in world.desk.trades.round_trips)
    assert not world.engine.feeds[HERE].is_followed_by("bot", "BTCUSDT", Timeframe.M15)
    assert world.engine.desks["far"].trades.round_trips == []
    await world.audit()


async def test_without_a_price_here_a_signal_is_left_out_and_told(world: Any) -> None:
    bot = spec("UnifiedBot", "BTCUSDT", "macd_rsi_trend")
    await world.start([bot])
    await world.running()
    heard = heard_signals(world)
    world.exchange.lose_stream(StreamKind.PUBLIC, "lost here")
    await world.until(lambda: "left out" in world.engine.bots["bot"].state_text, within_h=48)
    await world.hours(12)
    assert not heard
    assert "no fresh price of BTCUSDT on simulated" in world.engine.bots["bot"].state_text


async def test_an_account_hears_nothing_of_another_exchange(world: Any) -> None:
    """Two exchanges, one symbol: a price there values nothing here."""
    await world.start([spec("UnifiedBot", "BTCUSDT", "macd_rsi_trend")])
    await world.running()
    await world.until(lambda: bool(world.held()), within_h=96)
    await world.hours(0.05)
    here = world.engine.feeds[HERE].tickers["BTCUSDT"]
    capital = world.desk.capital.snapshot()
    [position] = world.account.positions()
    mark = here.mark_price or here.last_price
    expected = position.signed_quantity * (mark - position.entry_price)
    assert abs(capital.unrealized_pnl - expected) < abs(position.quantity) * mark / 1000


async def test_what_is_not_traded_there_is_left_out_and_not_asked_for_all_the_time(
    world: Any, fail_on_unexpected_log: list[logging.LogRecord]
) -> None:
    await world.start(
        [spec("MultiTrader", "", "rsi_pattern", scan=ScanSettings())], autostart=False
    )
    del world.far._source.market.instruments["XRPUSDT"]
    await world.engine.start_bot("bot", confirm_live=False)
    bot = world.engine.bots["bot"]
    await world.hours(3)
    rows = {row.symbol: row for row in bot.scan_snapshot().rows}
    assert rows.keys() == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"}
    assert rows["XRPUSDT"].state is SymbolState.LOADING
    assert all(row.rank for symbol, row in rows.items() if symbol != "XRPUSDT")
    told = [record for record in fail_on_unexpected_log if "XRPUSDT" in record.getMessage()]
    assert 2 <= len(told) <= 6, "ninety seconds: after 5, 10, 20, 40 s"
    fail_on_unexpected_log.clear()


async def test_an_exchange_without_an_account_gives_no_signals(world: Any) -> None:
    bot = BotSpec(
        "bot", "UnifiedBot", "demo", "BTCUSDT", Timeframe.M15, "macd_rsi_trend",
        signal_exchange="binance",
    )  # fmt: skip
    with pytest.raises(Refused, match=r"no account is on 'binance'.*simulated, elsewhere"):
        await world.start([bot])


async def test_a_bot_that_stands_still_may_take_its_signals_from_elsewhere(world: Any) -> None:
    """And keeps that over a restart; one that runs is left alone."""
    here = BotSpec("bot", "UnifiedBot", "demo", "BTCUSDT", Timeframe.M15, "macd_rsi_trend")
    await world.start([here])
    await world.running()
    roster = world.engine.roster
    with pytest.raises(Refused, match="bot is running; stop it first"):
        roster.change_signals("bot", THERE)
    await roster.stop("bot", close_position=True)
    assert roster.change_signals("bot", THERE) == "bot takes its signals from elsewhere."
    await world.engine.start_bot("bot", confirm_live=False)
    assert world.engine.feeds[THERE].streamed_symbols == {"BTCUSDT"}
    assert not world.engine.feeds[HERE].streamed_symbols, "nobody judges these candles any more"
    heard = heard_signals(world)
    await world.until(lambda: bool(heard), within_h=96)
    signal, price_here, close_there = heard[0]
    assert signal.reference_price == price_here
    atr_there = Decimal(str(signal.evidence["atr"]))
    stop_share = signal.stop_distance / signal.reference_price
    assert abs(stop_share / (atr_there / close_there) - 1) < Decimal("0.0001"), "judged there"
    await world.stop()
    await world.start([here])
    bot = world.engine.bots["bot"]
    assert bot.spec.signal_exchange == THERE
    await world.running()
    await world.engine.stop_bot("bot", close_position=False)
    assert world.engine.roster.change_signals("bot", HERE).endswith("from simulated.")
    assert world.engine.bots["bot"].spec.signal_exchange == ""


async def test_an_exchange_that_does_not_list_the_symbol_gives_no_signals(world: Any) -> None:
    await world.start([])
    del world.engine.desks["far"].instruments["BTCUSDT"]
    bot = spec("UnifiedBot", "BTCUSDT", "macd_rsi_trend")
    with pytest.raises(Refused, match="elsewhere has no symbol BTCUSDT, so it gives no signals"):
        world.engine.add_bot(bot)
    eth = spec("UnifiedBot", "ETHUSDT", "macd_rsi_trend")
    world.engine.add_bot(eth)
    del world.engine.desks["far"].instruments["ETHUSDT"]
    with pytest.raises(Refused, match="no account is on 'okx'"):
        world.engine.roster.change_signals("bot", "okx")
    assert world.engine.bots["bot"].spec == eth, "a no leaves the bot as it was"


async def test_a_chart_is_of_the_exchange_that_lists_its_symbol(world: Any) -> None:
    """The first of them where several do; its book comes from there too."""
    await world.start([])
    del world.engine.desks["demo"].instruments["ETHUSDT"]
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    charts = {("BTCUSDT", Timeframe.M15), ("ETHUSDT", Timeframe.M15), ("NOSUCH", Timeframe.M15)}
    world.engine.show(charts)
    streamed = {name: feed.streamed_symbols for name, feed in world.engine.feeds.items()}
    assert streamed == {HERE: {"BTCUSDT"}, THERE: {"ETHUSDT"}}
    closes = {}
    for symbol in ("BTCUSDT", "ETHUSDT"):
        result, _ = await handler.handle(Request(1, GetCandles(symbol, "15m", count=5)))
        assert result.block is not None, result.text
        closes[symbol] = np.frombuffer(result.block.columns["close"])[-1]
    for symbol, port in (("BTCUSDT", world.exchange), ("ETHUSDT", world.far)):
        [newest] = await port.fetch_candles(symbol, Timeframe.M15, limit=1)
        assert closes[symbol] == float(newest.close)
    await world.hours(0.1)
    shown = {live.symbol for live in SnapshotBuilder(world.engine).build(charts).live_candles}
    assert shown == {"BTCUSDT", "ETHUSDT"}
