"""What a screen may ask, and the sentences it gets."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import numpy as np
import pytest

from app.command_handler import CommandHandler
from core.commands import (
    AddBot,
    CancelOrder,
    ClosePosition,
    Command,
    CommandResult,
    GetCandles,
    KillSwitch,
    PauseBot,
    RemoveBot,
    Request,
    ResumeTrading,
    StartBot,
    StopBot,
    WatchChart,
)
from core.exchange_port import StreamKind
from core.models.candles import Timeframe
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import Attached, BotState, ClosedCandle, EngineSnapshot

BTC_BOT = "btcusdt-15m"
NUMBERS = itertools.count(1)


@pytest.fixture
def ask(world):
    """Ask the engine as a screen would, through the bytes of the link."""

    async def answer(command: Command) -> CommandResult:
        sent = msgspec.json.encode(Request(next(NUMBERS), command))
        request = msgspec.json.decode(sent, type=Request)
        handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
        result, _ = await handler.handle(request)
        assert result.request_id == request.request_id
        return msgspec.json.decode(msgspec.json.encode(result), type=CommandResult)

    return answer


@pytest.fixture
async def up(world):
    await world.start()
    await world.running()
    return world


def add(symbol: str, **more: str) -> AddBot:
    fields = {
        "kind": "UnifiedBot",
        "account": "demo",
        "timeframe": "15m",
        "strategy": "macd_rsi_trend",
    } | more
    return AddBot(symbol=symbol, **fields)


REFUSALS = [
    (StartBot("nobody"), "There is no bot 'nobody'."),
    (PauseBot("nobody"), "There is no bot 'nobody'."),
    (StopBot("nobody", close_position=True), "There is no bot 'nobody'."),
    (RemoveBot("nobody"), "There is no bot 'nobody'."),
    (RemoveBot(BTC_BOT), "btcusdt-15m is running; stop it first."),
    (add("BTCUSDT"), "There is a bot btcusdt-15m already."),
    (add("SOLUSDT", timeframe="1h"), "macd_rsi_trend enters on 15m, not 1h."),
    (add("SOLUSD"), "simulated has no symbol SOLUSD. Did you mean SOLUSDT?"),
    (add("SOLUSDT", timeframe="7m"), "There is no timeframe '7m'."),
    (add("SOLUSDT", account="main"), "There is no account 'main'."),
    (ClosePosition("main", "BTCUSDT"), "There is no account 'main'."),
    (ClosePosition("demo", "SOLUSDT"), "There is no position in SOLUSDT."),
    (GetCandles("BTCUSDT", "7m"), "There is no timeframe '7m'."),
    (GetCandles("BTCUSTD", "15m"), "simulated has no symbol BTCUSTD. Did you mean BTCUSDT?"),
    (WatchChart([("BTCUSDT", "7m")]), "There is no timeframe '7m'."),
]


async def test_what_cannot_be_done_is_refused_with_a_sentence(up, ask):
    for command, sentence in REFUSALS:
        result = await ask(command)
        assert (result.ok, result.text) == (False, sentence), command
    assert up.engine.supervisor.unhandled_exceptions == 0
    assert list(up.engine.bots) == [BTC_BOT, "ethusdt-15m"]


async def test_an_unknown_strategy_is_refused_with_the_known_ones(up, ask):
    result = await ask(add("SOLUSDT", strategy="macd_rsi_trends"))
    assert not result.ok
    assert "macd_rsi_trend" in result.text


async def test_cancelling_an_order_that_does_not_exist_is_refused(up, ask):
    result = await ask(CancelOrder("demo", "BTCUSDT", "", "no-such-order"))
    assert not result.ok
    assert result.text == "The order does not exist, or is final already."


async def test_nothing_that_needs_the_exchange_is_done_before_it_is_reached(world, ask):
    world.build()
    world.exchange.is_reachable = False
    starting = asyncio.create_task(world.engine.start([], autostart=True))
    await asyncio.sleep(5)
    for command in (
        add("SOLUSDT"),
        GetCandles("BTCUSDT", "15m"),
        ClosePosition("demo", "BTCUSDT"),
        CancelOrder("demo", "BTCUSDT", "x", ""),
        KillSwitch(),
    ):
        result = await ask(command)
        assert not result.ok, command
        assert result.text.endswith("."), command
    world.exchange.is_reachable = True
    await starting


async def test_a_bots_life_by_commands(up, ask):
    assert (await ask(add("SOLUSDT"))).text == "solusdt-15m is ready."
    assert up.engine.bots["solusdt-15m"].state is BotState.STOPPED
    assert (await ask(StartBot("solusdt-15m"))).text == "solusdt-15m is running."
    assert (await ask(StartBot("solusdt-15m"))).ok
    assert (await ask(PauseBot("solusdt-15m"))).text == "Paused. No new entries; stops stay."
    stopped = await ask(StopBot("solusdt-15m", close_position=True))
    assert stopped.text == "solusdt-15m is stopped."
    assert (await ask(RemoveBot("solusdt-15m"))).text == "solusdt-15m was removed."
    await up.crash()
    await up.start([], autostart=False)
    assert "solusdt-15m" not in up.engine.bots


async def test_a_bot_with_a_position_is_not_removed(up, ask):
    await up.until(lambda: bool(up.held()))
    [symbol] = up.held()
    bot_id = up.engine.roster.owner_of("demo", symbol)
    await ask(StopBot(bot_id, close_position=False))
    result = await ask(RemoveBot(bot_id))
    assert result.text == f"{bot_id} still owns a position in {symbol}; close it first."
    assert (await ask(ClosePosition("demo", symbol))).ok
    await up.until(lambda: not up.held(), within_h=0.2)
    assert (await ask(RemoveBot(bot_id))).ok


async def test_kill_and_resume_by_command(up, ask):
    assert (await ask(KillSwitch())).ok
    assert (await ask(KillSwitch())).ok
    assert {bot.state for bot in up.engine.bots.values()} == {BotState.STOPPED}
    assert (await ask(ResumeTrading())).ok
    assert (await ask(StartBot(BTC_BOT))).ok


@pytest.mark.parametrize(
    ("symbol", "timeframe"), [("BTCUSDT", "15m"), ("BTCUSDT", "1h"), ("SOLUSDT", "5m")]
)
async def test_chart_history_is_the_venues_and_the_past_goes_on_from_it(up, ask, symbol, timeframe):
    """A stored series, one made from it, and one that no bot keeps."""
    newest = (await ask(GetCandles(symbol, timeframe, count=200))).block
    assert newest.rows == 200
    times = np.frombuffer(newest.columns["open_time_ms"], dtype="<i8")
    closes = np.frombuffer(newest.columns["close"], dtype="<f8")
    shown = up.venue.candles(symbol, Timeframe(timeframe), end_ms=int(times[-1]), limit=200)
    assert times.tolist() == [candle.open_time_ms for candle in shown]
    assert closes.tolist() == [float(candle.close) for candle in shown]
    duration_ms = Timeframe(timeframe).duration_ms
    assert times[-1] == Timeframe(timeframe).floor_ms(up.clock.time_ms()) - duration_ms
    assert all(len(column) == 200 * 8 for column in newest.columns.values())

    older = GetCandles(symbol, timeframe, count=100, end_ms=int(times[0]) - 1)
    past = (await ask(older)).block
    past_times = np.frombuffer(past.columns["open_time_ms"], dtype="<i8")
    assert past_times[-1] == times[0] - duration_ms
    assert not past.is_end_of_history
    assert np.isfinite(np.frombuffer(newest.columns["ema_60"], dtype="<f8")).all()


async def test_more_history_than_the_store_has_comes_from_the_exchange(up, ask):
    block = (await ask(GetCandles("BTCUSDT", "15m", count=3000))).block
    times = np.frombuffer(block.columns["open_time_ms"], dtype="<i8")
    assert block.rows == 3000
    assert set(np.diff(times)) == {Timeframe.M15.duration_ms}


def closed_bars(world, timeframe: str) -> list[int]:
    """Open times of the bars that screens were told of as closed, for the BTCUSDT chart."""
    return [
        item.record.candle.open_time_ms
        for item in world.told
        if isinstance(item.record, ClosedCandle)
        and (item.record.candle.symbol, item.record.candle.timeframe) == ("BTCUSDT", timeframe)
    ]


@pytest.mark.parametrize("timeframe", ["15m", "1h"])
async def test_a_chart_is_told_of_every_bar_over_an_outage(up, ask, timeframe):
    up.told = []
    up.engine.records.listeners.append(up.told.append)
    up.engine.show({("BTCUSDT", Timeframe(timeframe))})
    block = (await ask(GetCandles("BTCUSDT", timeframe, count=100))).block
    last_ms = int(np.frombuffer(block.columns["open_time_ms"], dtype="<i8")[-1])
    await up.hours(2.1)
    up.exchange.lose_stream(StreamKind.PUBLIC, "gone")
    await up.hours(3.3)
    up.exchange.restore_stream(StreamKind.PUBLIC)
    await up.hours(2.2)
    step_ms = Timeframe(timeframe).duration_ms
    newest_ms = Timeframe(timeframe).floor_ms(up.clock.time_ms()) - step_ms
    assert closed_bars(up, timeframe) == list(range(last_ms + step_ms, newest_ms + 1, step_ms))


async def test_the_forming_bar_is_the_venues_and_closes_into_the_chart(up, ask):
    charts = {("BTCUSDT", Timeframe.M15)}
    up.engine.show(charts)
    await ask(GetCandles("BTCUSDT", "15m", count=100))
    builder = SnapshotBuilder(up.engine)
    await up.hours(0.6)
    [live] = builder.build(charts).live_candles
    [shown] = up.venue.candles("BTCUSDT", Timeframe.M15, limit=1)
    assert live.open_time_ms == shown.open_time_ms
    assert (live.open, live.high) == (float(shown.open), float(shown.high))
    assert set(live.indicators) >= {"ema_20", "rsi_14", "macd_12_26_9"}


async def test_the_greeting_and_every_snapshot_survive_the_link(up):
    handler = CommandHandler(up.engine, SnapshotBuilder(up.engine))
    await up.until(lambda: bool(up.held()))
    attached = handler.attached(100, [("BTCUSDT", Timeframe.M15)])
    decoded = msgspec.json.decode(msgspec.json.encode(attached), type=Attached)
    assert decoded == attached
    assert decoded.instruments
    assert isinstance(decoded.snapshot, EngineSnapshot)


async def test_a_screen_may_ask_for_a_snapshot_before_anything_is_known(world):
    world.build()
    snapshot = SnapshotBuilder(world.engine).build([("BTCUSDT", Timeframe.M15)])
    assert snapshot.capital is None
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=EngineSnapshot) == snapshot
    await world.engine.start([], autostart=False)
