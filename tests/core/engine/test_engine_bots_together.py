"""Bots of both kinds beside each other: on one account and on several."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest
from test_engine_multi_trader import MULTI, CountingExchange, Market, multi, multi_spec

from app.config import AccountConfig
from app.wiring import assemble_engine
from core.bots.bot_spec import BotSpec
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.models.candles import Candle, Timeframe
from core.models.fills import FillKind
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode, BotState
from exchanges.simulated.simulated_exchange import SimulatedExchange

SETTINGS = ScanSettings(signal_threshold=60.0, position_limit=2, cooldown_s=900.0)


class OrderedExchange(CountingExchange):
    """Remembers in which order candles were asked for; does not answer for `silent` symbols."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.order: list[str] = []
        self.silent: set[str] = set()

    async def fetch_candles(self, symbol: str, *args: Any, **more: Any) -> list[Candle]:
        self.order.append(symbol)
        if symbol in self.silent:
            await asyncio.Event().wait()
        return await super().fetch_candles(symbol, *args, **more)


@pytest.fixture
async def world(open_world: Any) -> Any:
    made = open_world(market=Market(8), stream_interval_s=2.0)
    made.make_port = lambda: OrderedExchange(
        "demo", venue=made.venue, stream_interval_s=2.0, latency_s=0.02
    )
    return made


async def test_the_bot_of_one_symbol_loads_before_the_one_of_many(world: Any) -> None:
    await world.start([multi_spec(), world.bot("BTCUSDT")])  # in whichever order they stand
    await world.running()
    await world.hours(0.2)
    assert world.exchange.order[0] == "BTCUSDT"
    assert set(world.exchange.order[1:]) == set(world.desk.instruments) - {"BTCUSDT"}
    assert list(world.engine.bots) == [MULTI, "btcusdt-15m"], "shown in the order they were added"


async def test_a_bot_of_one_symbol_that_cannot_load_holds_the_others_up_for_a_moment(
    world: Any,
) -> None:
    make_port = world.make_port

    def make_silent_port() -> OrderedExchange:
        port = make_port()
        port.silent = {"BTCUSDT"}
        return port

    world.make_port = make_silent_port
    await world.start([world.bot("BTCUSDT"), multi_spec()])
    await asyncio.sleep(4)
    assert multi(world).state is BotState.STARTING
    await asyncio.sleep(4)
    assert multi(world).state is BotState.RUNNING


async def test_a_bot_stopped_while_it_waits_for_its_turn_does_not_run(world: Any) -> None:
    await world.start([world.bot("BTCUSDT"), multi_spec()])
    await asyncio.sleep(0)
    bot = multi(world)
    assert bot.state is BotState.STARTING
    await world.engine.stop_bot(MULTI, close_position=False)
    await world.hours(3)
    assert bot.state is BotState.STOPPED
    assert bot.scan_snapshot().scan_number == 0


async def test_stopped_and_started_again_at_once_it_runs_once(world: Any) -> None:
    await world.start([multi_spec()], autostart=False)
    bot = multi(world)
    first = asyncio.create_task(bot.start())
    await asyncio.sleep(0.01)
    bot.stop()
    second = asyncio.create_task(bot.start())
    await asyncio.gather(first, second)
    assert bot.state is BotState.RUNNING
    await world.hours(3)
    assert bot.candles_closed == 8 * 12, "it hears each candle once"
    for _ in range(20):
        bot.stop()
        await bot.start()
    await world.hours(1)
    assert bot.candles_closed == 8 * 16
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert names.count(MULTI) == 1


async def test_bots_of_both_kinds_on_two_accounts_never_cross(world: Any) -> None:
    ports: dict[str, SimulatedExchange] = {}
    for name in ("demo", "second"):
        ports[name] = SimulatedExchange(
            name, venue=world.venue, stream_interval_s=2.0, latency_s=0.02
        )
    engine = assemble_engine(
        [AccountConfig(name, "simulated", AccountMode.DEMO) for name in ports],
        data_dir=world.data_dir,
        clock=world.clock,
        rng=random.Random(7),
        limiters=MultiExchangeRateLimiter(world.clock),
        open_port=lambda account: ports[account.name],
    )
    world.engine, world.exchange, world._is_up = engine, ports["demo"], True
    specs: list[BotSpec] = []
    for name in ports:
        specs.append(
            BotSpec(f"btc-{name}", "UnifiedBot", name, "BTCUSDT", Timeframe.M15, "macd_rsi_trend")
        )
        specs.append(multi_spec(SETTINGS, bot_id=f"multi-{name}", account=name))
    await engine.start(specs, autostart=True)
    await world.running()
    await world.hours(24)
    for name in ports:
        desk, account = engine.desks[name], world.venue.account(name)
        mine = {f"btc-{name}", f"multi-{name}"}
        trips = desk.trades.round_trips
        assert {trip.bot_id for trip in trips} == mine
        assert {trip.symbol for trip in trips if trip.bot_id == f"btc-{name}"} == {"BTCUSDT"}
        assert "BTCUSDT" not in {t.symbol for t in trips if t.bot_id == f"multi-{name}"}
        held = {p.symbol: p.signed_quantity for p in account.positions()}
        assert {p.symbol: p.signed_quantity for p in desk.state.positions(name)} == held
        assert all(p.stop_loss is not None for p in account.positions())
        executions = account.executions(limit=10_000).items
        fills = {fill.trade_id for fill in desk.oms.fills() if fill.kind is FillKind.TRADE}
        assert fills == {e.trade_id for e in executions if e.kind is FillKind.TRADE}
        assert await desk.measure_ledger_error() == Decimal(0)
        assert desk.capital.is_sound
    assert engine.supervisor.unhandled_exceptions == 0
    await engine.stop()
    world._is_up = False
