"""The bot of many symbols: what it enters, what it leaves alone, what it remembers."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.command_handler import CommandHandler
from core.bots.bot_spec import BotSpec
from core.bots.multi_trader import MultiTrader
from core.commands import (
    AddBot,
    ChangeScanSettings,
    Command,
    CommandResult,
    DuplicateBot,
    RenameBot,
    Request,
)
from core.engine import Refused
from core.events import Signal
from core.exchange_port import StreamKind
from core.models.candles import Candle, Ticker, Timeframe
from core.models.orders import OrderType, Side
from core.portfolio.fixed_percent import FixedPercent
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import SPARK_BARS, ScanSnapshot, SymbolState
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.values import PlaceOrder

MULTI = "multi-15m"
M15 = Timeframe.M15
SETTINGS = ScanSettings(
    min_turnover_24h=Decimal(0), cooldown_s=1800.0, universe_refresh_s=172_800.0
)


def multi_spec(scan: ScanSettings = SETTINGS, **more: object) -> BotSpec:
    fields: dict[str, object] = {
        "bot_id": MULTI,
        "kind": "MultiTrader",
        "account": "demo",
        "symbol": "",
        "timeframe": M15,
        "strategy": "rsi_pattern",
        "scan": scan,
    } | more
    return BotSpec(**fields)  # type: ignore[arg-type]


class Market(GeneratedMarket):
    """The first few symbols of the fifty."""

    def __init__(self, symbols: int = 10, seed: int = 12) -> None:
        super().__init__(seed)
        self.instruments = dict(list(self.instruments.items())[:symbols])


class Unpositioned:
    """A listener that no message about a position reaches."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def on_position(self, position: Any) -> None:
        """Lost."""


class CountingExchange(SimulatedExchange):
    """Counts requests by what they are for; may be told to stream no candles, or to lose what it
    has to tell of positions."""

    streams_candles = True
    tells_positions = True

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.asked: Counter[str] = Counter()

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        if self.streams_candles:
            super().subscribe_candles(symbol, timeframe)

    async def start_trading(self, listener: Any) -> None:
        await super().start_trading(listener if self.tells_positions else Unpositioned(listener))

    async def fetch_candles(self, symbol: str, *args: Any, **more: Any) -> list[Candle]:
        self.asked[f"candles {symbol}"] += 1
        return await super().fetch_candles(symbol, *args, **more)

    async def fetch_tickers(self) -> list[Ticker]:
        self.asked["tickers"] += 1
        return await super().fetch_tickers()

    @property
    def candle_requests(self) -> int:
        return sum(count for what, count in self.asked.items() if what.startswith("candles"))


@pytest.fixture
def scanning(open_world: Callable[..., Any]) -> Callable[..., Any]:
    """A world of a few symbols, on an exchange that counts what it is asked."""

    def make(symbols: int = 10, *, streams_candles: bool = True, seed: int = 12) -> Any:
        world = open_world(market=Market(symbols, seed), stream_interval_s=2.0)

        def make_port() -> CountingExchange:
            port = CountingExchange(
                "demo", venue=world.venue, stream_interval_s=2.0, latency_s=0.02
            )
            port.streams_candles = streams_candles
            return port

        world.make_port = make_port
        return world

    return make


def multi(world: Any, bot_id: str = MULTI) -> MultiTrader:
    bot = world.engine.bots[bot_id]
    assert isinstance(bot, MultiTrader)
    return bot


def shown(world: Any, bot_id: str = MULTI) -> ScanSnapshot:
    """As a screen gets it, through the bytes of the link."""
    snapshot = SnapshotBuilder(world.engine).build([])
    [bot] = [bot for bot in snapshot.bots if bot.bot_id == bot_id]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(bot.scan), type=ScanSnapshot)


def signals(world: Any) -> list[Signal]:
    heard: list[Signal] = []
    world.desk.bus.subscribe(Signal, heard.append, part="test")
    return heard


async def scored(world: Any) -> None:
    """Until every watched symbol has its rank."""

    def all_ranked() -> bool:
        rows = shown(world).rows
        return bool(rows) and all(row.rank is not None for row in rows)

    await world.until(all_ranked, within_h=2)


async def in_position(world: Any) -> str:
    await world.until(lambda: bool(shown(world).position_symbols) and bool(world.held()))
    return shown(world).position_symbols[0]


async def ask(world: Any, command: Command) -> CommandResult:
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    sent = msgspec.msgpack.encode(Request(1, command))
    result, _ = await handler.handle(msgspec.msgpack.decode(sent, type=Request))
    return result


async def test_it_watches_all_symbols_but_those_of_other_bots(scanning):
    world = scanning()
    await world.start([world.bot("BTCUSDT"), multi_spec()])
    await world.running()
    await scored(world)
    snapshot = shown(world)
    assert {row.symbol for row in snapshot.rows} == set(world.desk.instruments) - {"BTCUSDT"}
    assert snapshot.left_out["taken"] == 1
    assert sorted(row.rank for row in snapshot.rows) == list(range(1, 10))
    by_rank = sorted(snapshot.rows, key=lambda row: row.rank)
    assert [row.score for row in by_rank] == sorted((row.score for row in by_rank), reverse=True)
    assert all(len(row.closes) == 4 * SPARK_BARS for row in snapshot.rows)
    for row in snapshot.rows:
        assert sum(row.parts) == pytest.approx(row.score)
        assert len(row.parts) == len(snapshot.score_parts)
        assert 0 <= row.reading <= 100
    assert all(0 <= row.data_age_ms <= 900_000 + 120_000 for row in snapshot.rows)
    assert multi(world).state_text.startswith(("Scanning 9 symbols.", "In position"))


async def test_a_day_is_traded_within_the_limit_and_every_entry_was_the_strongest(scanning):
    world = scanning()
    await world.start([world.bot("BTCUSDT"), multi_spec()])
    await world.running()
    heard = signals(world)
    most = 0
    for _ in range(360):
        await asyncio.sleep(2)
        held = {s for s in world.held() if s != "BTCUSDT"}
        most = max(most, len(held))
        assert len(held) <= SETTINGS.position_limit
        assert set(shown(world).position_symbols) >= held
    assert most == 1
    await world.audit()
    world.assert_one_position_at_a_time()
    assert await world.desk.measure_ledger_error() == 0
    assert world.engine.supervisor.unhandled_exceptions == 0
    mine = [signal for signal in heard if signal.bot_id == MULTI]
    assert len({signal.symbol for signal in mine}) >= 3
    assert all(s.stop_distance > 0 and s.take_profit_distance > 0 for s in mine)
    assert all(s.evidence["score"] >= SETTINGS.signal_threshold for s in mine)
    candles = [(s.symbol, s.candle_open_time_ms) for s in mine]
    assert len(set(candles)) == len(candles), "one signal a symbol and candle"
    trips = [trip for trip in world.desk.trades.round_trips if trip.bot_id == MULTI]
    assert len(trips) >= 3
    for before, after in itertools.pairwise(trips):
        if before.symbol == after.symbol:
            assert after.opened_ms - before.closed_ms >= SETTINGS.cooldown_s * 1000


async def test_several_positions_are_held_where_they_are_allowed(scanning):
    world = scanning()
    settings = msgspec.structs.replace(SETTINGS, position_limit=3, signal_threshold=60.0)
    await world.start([multi_spec(settings)])
    await world.running()
    most = 0
    for _ in range(120):
        await asyncio.sleep(2)
        most = max(most, len(world.held()))
    assert most == 3
    await world.audit()


async def test_one_position_that_is_hidden_keeps_no_other_from_being_closed(scanning):
    settings = msgspec.structs.replace(SETTINGS, position_limit=3, signal_threshold=60.0)
    world = scanning()
    await world.start([multi_spec(settings)])
    await world.running()
    first = await in_position(world)
    show, read = world.desk.on_position, world.exchange.fetch_positions

    async def read_first():
        return [position for position in await read() if position.symbol == first]

    world.exchange.fetch_positions = read_first
    world.desk.on_position = lambda position: show(position) if position.symbol == first else None

    def hidden():
        return {finding.symbol for finding in world.engine.roster.findings()} & world.held().keys()

    await world.until(lambda: first in world.held() and bool(hidden()), within_h=96)
    [symbol] = hidden()
    text = await world.engine.stop_bot(MULTI, close_position=True)
    assert f"The exchange shows no {symbol}, our books do" in text
    assert first not in world.held()


async def test_what_has_filled_counts_before_its_positions_message_comes(scanning, monkeypatch):
    """Else the limit of one is passed in the seconds in which the message is late."""
    monkeypatch.setattr(CountingExchange, "tells_positions", False)
    world = scanning()
    eager = msgspec.structs.replace(SETTINGS, signal_threshold=50.0, cooldown_s=0.0)
    await world.start([multi_spec(eager)])
    await world.running()
    most = 0
    for _ in range(120):
        await asyncio.sleep(1)
        most = max(most, len(world.held()))
    assert most == 1


async def test_a_restart_asks_for_nothing_and_goes_on_where_it_was(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    before = shown(world)
    await world.crash()
    await world.start([], autostart=False)
    tickers = world.exchange.asked["tickers"]
    await world.running()
    await scored(world)
    assert world.exchange.candle_requests == 0
    assert world.exchange.asked["tickers"] == tickers
    after = shown(world)
    assert after.position_symbols == [symbol]
    assert after.universe_refreshed_ms == before.universe_refreshed_ms
    assert [row.symbol for row in after.rows] == [row.symbol for row in before.rows]
    [position] = [row for row in after.rows if row.symbol == symbol]
    assert position.state is SymbolState.POSITION
    assert world.engine.roster.owner_of("demo", symbol) == MULTI
    await world.audit()


async def test_a_cool_down_survives_a_restart(scanning):
    world = scanning()
    long = msgspec.structs.replace(SETTINGS, cooldown_s=40_000.0)
    await world.start([multi_spec(long)])
    await world.running()
    symbol = await in_position(world)
    await world.until(lambda: symbol not in world.held(), within_h=48)
    await world.hours(0.1)
    [row] = [row for row in shown(world).rows if row.symbol == symbol]
    assert row.state is SymbolState.COOLING
    await world.crash()
    await world.start([], autostart=False)
    await world.running()
    await scored(world)
    await world.hours(0.1)
    [again] = [row for row in shown(world).rows if row.symbol == symbol]
    assert again.state is SymbolState.COOLING
    assert abs(again.cooldown_until_ms - row.cooldown_until_ms) < 120_000


async def test_settings_changed_on_the_screen_are_there_after_a_restart(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    settings = msgspec.structs.replace(SETTINGS, watch_count=4, blocklist=("ETHUSDT",))
    assert (await ask(world, ChangeScanSettings(MULTI, settings))).ok
    await scored(world)
    watched = [row.symbol for row in shown(world).rows]
    assert len(watched) == 4
    assert "ETHUSDT" not in watched
    await world.crash()
    await world.start([multi_spec()], autostart=False)  # the file still says what it said
    await world.running()
    assert shown(world).settings == settings
    await scored(world)
    assert {row.symbol for row in shown(world).rows} == set(watched)
    await world.crash()
    told = multi_spec(msgspec.structs.replace(SETTINGS, watch_count=3))
    await world.start([told], autostart=False)  # the file says something new
    await world.running()
    assert shown(world).settings.watch_count == 3


async def test_what_leaves_the_universe_is_streamed_no_longer(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    await scored(world)
    assert len(world.exchange._bars) == 10
    narrow = msgspec.structs.replace(SETTINGS, watch_count=3)
    await ask(world, ChangeScanSettings(MULTI, narrow))
    await world.hours(0.2)
    held = set(shown(world).position_symbols)
    watched = {row.symbol for row in shown(world).rows}
    assert {symbol for symbol, _ in world.exchange._bars} == watched
    assert len(watched - held) <= 3
    await world.engine.stop_bot(MULTI, close_position=False)
    assert not world.exchange._bars


async def test_without_a_stream_the_bars_are_asked_for_once_each(scanning):
    world = scanning(streams_candles=False)
    await world.start([multi_spec()])
    await world.running()
    await scored(world)
    asked = world.exchange.candle_requests
    heard = signals(world)
    await world.hours(4)
    assert world.engine.supervisor.unhandled_exceptions == 0
    rows = shown(world).rows
    assert all(row.data_age_ms < 900_000 + 120_000 for row in rows)
    # sixteen bars of ten symbols; the monitor looks too, and has nothing to ask for
    assert 100 <= world.exchange.candle_requests - asked <= 16 * 10 * 1.1
    assert all(
        world.clock.time_ms() - s.time_ms >= 0 and s.time_ms - s.candle_open_time_ms < 1_900_000
        for s in heard
    )


async def test_nothing_is_entered_on_old_candles_or_old_prices(scanning):
    """The stream is lost and requests fail: what is known grows old."""
    world = scanning()
    eager = msgspec.structs.replace(SETTINGS, signal_threshold=1.0, position_limit=5)
    await world.start([multi_spec(eager)], autostart=False)
    world.exchange.lose_stream(StreamKind.PUBLIC, "lost")
    starting = asyncio.create_task(world.engine.start_bot(MULTI, confirm_live=False))
    await starting
    heard = signals(world)
    await scored(world)
    world.exchange.is_reachable = False
    await world.hours(3)
    assert not heard
    rows = shown(world).rows
    assert {row.state for row in rows} == {SymbolState.STALE}
    assert all("too old" in p.waits_for or "not come" in p.waits_for for p in shown(world).pending)
    told = [text for text in world.notices(MULTI) if "could not be asked for" in text]
    assert len(told) == 1, "told once, not with each scan"


async def test_a_paused_bot_enters_nothing_and_still_ends_its_position(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    world.engine.pause_bot(MULTI)
    await world.until(lambda: symbol not in world.held(), within_h=48)
    entries = len(world.entries())
    await world.hours(6)
    assert len(world.entries()) == entries
    assert all(p.waits_for == "the bot is paused" for p in shown(world).pending)


async def test_a_symbol_in_which_somebody_trades_by_hand_is_left_alone(scanning):
    world = scanning(symbols=3)
    eager = msgspec.structs.replace(SETTINGS, position_limit=3, signal_threshold=40.0)
    await world.start([multi_spec(eager)], autostart=False)
    world.account.place_order(
        PlaceOrder(
            symbol="ETHUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal("0.5")
        )
    )
    await world.hours(0.1)
    await world.desk.reconcile()
    heard = signals(world)
    bot = multi(world)
    await bot.start()
    await world.hours(24)
    assert {signal.symbol for signal in heard} == {"BTCUSDT", "SOLUSDT"}
    assert world.held()["ETHUSDT"] == Decimal("0.5")
    assert bot.state is BotState.RUNNING, "one symbol's matter does not stop the others"


async def test_two_of_them_on_one_account_never_hold_one_symbol(scanning):
    world = scanning()
    settings = msgspec.structs.replace(SETTINGS, position_limit=3, signal_threshold=55.0)
    others = multi_spec(settings, bot_id="multi-2")
    await world.start([multi_spec(settings), others])
    await world.running()
    owners: dict[str, set[str]] = {}
    for _ in range(150):
        await asyncio.sleep(2)
        mine, its = (set(shown(world, b).position_symbols) for b in (MULTI, "multi-2"))
        assert not mine & its
        owners.setdefault(MULTI, set()).update(mine)
        owners.setdefault("multi-2", set()).update(its)
    assert all(owners.values())
    world.assert_one_position_at_a_time()
    await world.audit()


async def test_a_bot_is_not_added_on_a_symbol_that_is_held(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    added = await ask(world, AddBot("UnifiedBot", "demo", symbol, "15m", "macd_rsi_trend"))
    assert (added.ok, added.text) == (False, f"{MULTI} trades {symbol} on demo already.")
    with pytest.raises(Refused, match="is running; stop it first"):
        world.engine.remove_bot(MULTI)
    await world.engine.stop_bot(MULTI, close_position=False)
    with pytest.raises(Refused, match=f"still owns a position in {symbol}"):
        world.engine.remove_bot(MULTI)
    stopped = await world.engine.stop_bot(MULTI, close_position=True)
    assert stopped == f"{MULTI} is stopped and {symbol} is closed."
    assert world.engine.remove_bot(MULTI) == f"{MULTI} was removed."
    assert (await ask(world, AddBot("UnifiedBot", "demo", symbol, "15m", "macd_rsi_trend"))).ok
    await world.audit()


async def test_bots_are_renamed_and_duplicated_and_keep_that_over_a_restart(scanning):
    world = scanning()
    await world.start([world.bot("BTCUSDT"), multi_spec()], autostart=False)
    assert (await ask(world, RenameBot(MULTI, "  Altcoins  day "))).text.endswith("Altcoins day.")
    copied = await ask(world, DuplicateBot(MULTI, name="Altcoins night"))
    assert copied.text == "multi-15m-demo is ready."
    refused = await ask(world, DuplicateBot("btcusdt-15m"))
    assert (refused.ok, refused.text) == (False, "There is a bot btcusdt-15m already.")
    assert (await ask(world, DuplicateBot("btcusdt-15m", symbol="SOLUSDT"))).ok
    assert not (await ask(world, RenameBot(MULTI, "x" * 61))).ok
    await world.crash()
    await world.start([world.bot("BTCUSDT"), multi_spec()], autostart=False)
    names = {bot_id: bot.spec.shown_name for bot_id, bot in world.engine.bots.items()}
    assert names == {
        "btcusdt-15m": "btcusdt-15m",
        MULTI: "Altcoins day",
        "multi-15m-demo": "Altcoins night",
        "solusdt-15m": "solusdt-15m",
    }
    assert world.engine.bots["multi-15m-demo"].spec.scan == SETTINGS


async def test_a_bot_is_added_with_parameters_and_a_size_of_its_own(scanning):
    world = scanning()
    await world.start([world.bot("BTCUSDT")], autostart=False)
    sizing = {"method": "fixed_percent", "ratio": "0.05"}
    wanted = AddBot("MultiTrader", "demo", "", "15m", "rsi_pattern", "Alts", {"stop_atr": 2.0},
                    SETTINGS, sizing=sizing)  # fmt: skip
    assert (await ask(world, wanted)).ok
    spec = world.engine.bots[MULTI].spec
    assert (spec.name, spec.sizing, spec.parameters) == ("Alts", sizing, {"stop_atr": 2.0})
    assert world.engine.roster.sizing_of(MULTI) == FixedPercent(ratio=Decimal("0.05"))
    for table, told in (
        ({"method": "fixed_percent", "ratio": "5"}, "ratio is more than 0 and at most 1"),
        ({"method": "kely"}, "did you mean 'kelly'"),
    ):
        refused = await ask(world, msgspec.structs.replace(wanted, name="", sizing=table))
        assert not refused.ok
        assert told in refused.text


REFUSALS = [
    (AddBot("UnifiedBot", "nobody", "BTCUSDT", "15m", "macd_rsi_trend"), "no account 'nobody'"),
    (AddBot("MultiTrader", "nobody", "", "15m", "rsi_pattern"), "no account 'nobody'"),
    (DuplicateBot("btcusdt-15m", account="nobody"), "no account 'nobody'"),
    (AddBot("MultiTrader", "demo", "BTCUSDT", "15m", "rsi_pattern"), "chooses its symbols itself"),
    (AddBot("MultiTrader", "demo", "", "15m", "macd_rsi_trend"), "does not score symbols"),
    (AddBot("MultiTradr", "demo", "", "15m", "rsi_pattern"), "did you mean 'MultiTrader'"),
    (
        AddBot("UnifiedBot", "demo", "SOLUSDT", "15m", "macd_rsi_trend", scan=SETTINGS),
        "follows one symbol",
    ),
    (
        AddBot("MultiTrader", "demo", "", "15m", "rsi_pattern", signal_exchange="binance"),
        "no account is on 'binance'",
    ),
    (
        AddBot("MultiTrader", "demo", "", "15m", "rsi_pattern", parameters={"oversold": 300}),
        "oversold",
    ),
    (ChangeScanSettings("btcusdt-15m", SETTINGS), "does not scan"),
    (ChangeScanSettings("nobody", SETTINGS), "There is no bot 'nobody'."),
]


async def test_what_makes_no_sense_is_refused_with_a_sentence(scanning):
    world = scanning(symbols=3)
    await world.start([world.bot("BTCUSDT")], autostart=False)
    for command, sentence in REFUSALS:
        result = await ask(world, command)
        assert not result.ok, command
        assert sentence in result.text
    assert list(world.engine.bots) == ["btcusdt-15m"]
    added = await ask(world, AddBot("MultiTrader", "demo", "", "15m", "rsi_pattern", name="All"))
    assert added.text == "multi-15m is ready."
    assert world.engine.bots[MULTI].spec.scan == ScanSettings()


async def test_what_the_trader_adds_by_hand_takes_no_position_from_its_bot(scanning):
    world = scanning()
    await world.start([multi_spec()])
    await world.running()
    symbol = await in_position(world)
    side = Side.BUY if world.held()[symbol] > 0 else Side.SELL
    lot = world.desk.instruments[symbol].quantity_step
    world.account.place_order(
        PlaceOrder(symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=100 * lot)
    )
    await world.hours(0.1)
    assert world.engine.roster.owner_of("demo", symbol) == MULTI
    assert shown(world).position_symbols == [symbol]
    assert world.engine.roster.is_found("demo", symbol)
    assert multi(world).state is BotState.RUNNING, "its other symbols are no concern of that"
    await world.crash()
    await world.start([], autostart=False)
    await world.running()
    await world.hours(0.1)
    assert world.engine.roster.owner_of("demo", symbol) == MULTI
    await world.until(lambda: symbol not in world.held(), within_h=72)
    await world.hours(0.1)
    assert world.engine.roster.owner_of("demo", symbol) == ""
    assert symbol not in shown(world).position_symbols
