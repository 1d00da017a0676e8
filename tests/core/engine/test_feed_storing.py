"""A closed bar's way to the disk: many in one transaction, none announced before it is durable,
and no disk, however slow, in the way of anybody else."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error
from core.market_data import shared_data_manager
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.models.candles import Candle, CandleUpdate, Timeframe
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.oms.client_order_id import make_client_order_id
from core.storage.disk import Disk
from core.supervision import Supervisor

M1, M15 = Timeframe.M1, Timeframe.M15
START_MS = 1_699_999_200_000  # a whole hour
DEADLINE_S = 10


def bar(number: int, timeframe: Timeframe = M1, volume: int = 1) -> Candle:
    price = Decimal(100 + number % 7)
    open_ms = START_MS + number * timeframe.duration_ms
    return Candle(open_ms, price, price, price, price, Decimal(volume))


class Exchange:
    """Its history is what `bars` says; `gate` holds its answers back."""

    exchange = "test"

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.bars: list[Candle] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def fetch_candles(self, symbol, timeframe, *, start_ms=None, end_ms=None, limit=1000):
        self.asked += 1
        await self.gate.wait()
        closed_ms = self.clock.time_ms() - timeframe.duration_ms
        last_ms = closed_ms if end_ms is None else min(end_ms, closed_ms)
        first_ms = last_ms - (limit - 1) * timeframe.duration_ms if start_ms is None else start_ms
        return [b for b in self.bars if first_ms <= b.open_time_ms <= last_ms][-limit:]

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        pass

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        pass


class WatchedDisk(Disk):
    """Counts commits; holds one back while `may_commit` is not set."""

    def __init__(self) -> None:
        self.commits = 0
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.is_asked = threading.Event()

    def reach(self, point: str) -> None:
        if point == "append: rows written":
            self.is_asked.set()
            assert self.may_commit.wait(DEADLINE_S)
        self.commits += point == "append: committed"


class Setting:
    """A feed over a real store; `announced` as charts hear it, all of them durable by then."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START_MS)
        self.disk = WatchedDisk()
        self.port = Exchange(self.clock)
        self.data = SharedDataManager("test", cache_dir=folder, clock=self.clock, disk=self.disk)
        self.bus = EventBus(self.clock)
        self.told: list[Error] = []
        self.bus.subscribe(Error, self.told.append, part="test")
        self.supervisor = Supervisor(self.bus, self.clock)
        self.feed = MarketFeed(
            self.port,  # type: ignore[arg-type]  # the half of a port that a feed asks
            data=self.data,
            bus=self.bus,
            supervisor=self.supervisor,
            clock=self.clock,
        )
        self.announced: list[tuple[str, Timeframe, Candle]] = []
        self.feed.on_closed_candle.append(self._note)

    def _note(self, update: CandleUpdate) -> None:
        manager = self.data.get_manager(update.symbol, update.timeframe)
        open_ms = update.candle.open_time_ms
        stored = self.data.store.read(manager.key, start_ms=open_ms, end_ms=open_ms)
        assert stored == [update.candle], "announced before it was durable"
        self.announced.append((update.symbol, update.timeframe, update.candle))

    async def follow(self, *symbols: str, timeframe: Timeframe = M1) -> None:
        for symbol in symbols:
            await self.feed.follow(symbol, timeframe)

    def close_bars(self, symbol: str, *candles: Candle, timeframe: Timeframe = M1) -> None:
        """The stream says so, at the end of the last of them."""
        end_ms = candles[-1].open_time_ms + timeframe.duration_ms
        self.clock.advance_ms(max(0, end_ms - self.clock.time_ms()))
        for candle in candles:
            update = CandleUpdate("test", symbol, timeframe, candle, True, self.clock.time_ms())
            self.feed.on_candle(update, 1.0)

    async def until(self, is_true: Callable[[], bool]) -> None:
        for _ in range(1000):
            if is_true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never became true")


@asynccontextmanager
async def setting(folder: Path) -> AsyncIterator[Setting]:
    made = Setting(folder)
    try:
        yield made
    finally:
        made.disk.may_commit.set()
        await made.supervisor.stop()
        made.data.close()
    assert made.supervisor.unhandled_exceptions == 0


async def test_bars_that_close_together_are_one_transaction(tmp_path):
    async with setting(tmp_path) as at:
        symbols = [f"S{number}USDT" for number in range(20)]
        at.clock.advance_ms(15 * M1.duration_ms)
        at.port.bars = [bar(number) for number in range(14)]
        await at.follow(*symbols)
        at.port.bars = [bar(-1, M15)]
        await at.follow(*symbols, timeframe=M15)
        at.announced.clear()
        before = at.disk.commits
        for symbol in symbols:
            at.close_bars(symbol, bar(14))
            at.close_bars(symbol, bar(0, M15), timeframe=M15)
        await at.until(lambda: len(at.announced) == 40)
        assert at.disk.commits == before + 1
        assert max(Counter(at.announced).values()) == 1


def test_a_disk_that_takes_its_time_holds_up_candles_and_nothing_else(tmp_path):
    """With real threads."""

    async def scene() -> None:
        async with setting(tmp_path) as at:
            await at.follow("AUSDT", "BUSDT")
            at.disk.may_commit.clear()
            at.disk.is_asked.clear()
            at.close_bars("AUSDT", bar(0))
            await at.until(at.disk.is_asked.is_set)
            before = at.disk.commits
            at.close_bars("AUSDT", bar(1), bar(2))
            at.close_bars("BUSDT", bar(0), bar(1), bar(2))
            turns = 0
            for _ in range(50):
                await asyncio.sleep(0)
                turns += 1
            assert (turns, at.announced, at.disk.commits) == (50, [], before)
            at.disk.may_commit.set()
            await at.until(lambda: len(at.announced) == 6)
            for symbol in ("AUSDT", "BUSDT"):
                heard = [candle for name, _, candle in at.announced if name == symbol]
                assert heard == [bar(0), bar(1), bar(2)]
            assert at.disk.commits == before + 2, "A's first, then all that had come meanwhile"

    asyncio.run(scene())


async def test_a_bar_that_comes_while_a_hole_is_looked_at_is_told_too(tmp_path):
    async with setting(tmp_path) as at:
        await at.follow("AUSDT")
        at.close_bars("AUSDT", bar(0))
        await at.until(lambda: len(at.announced) == 1)
        at.port.gate.clear()
        at.port.bars = [bar(number) for number in range(3)]
        at.close_bars("AUSDT", bar(2))  # bar 1 never came
        await at.until(lambda: at.port.asked == 2)
        at.port.bars.append(bar(3))
        at.close_bars("AUSDT", bar(3))
        await asyncio.sleep(1)
        assert len(at.announced) == 1, "nothing across the hole"
        at.port.gate.set()
        await at.until(lambda: len(at.announced) == 4)
        assert [candle for _, _, candle in at.announced] == [bar(number) for number in range(4)]


async def test_a_bar_confirmed_twice_is_announced_once_and_its_correction_kept(tmp_path, caplog):
    """The second time in the same moment with another volume, and once more later."""
    caplog.set_level("INFO")
    async with setting(tmp_path) as at:
        await at.follow("AUSDT")
        corrected = bar(0, volume=77)
        at.close_bars("AUSDT", bar(0), corrected)
        await at.until(lambda: len(at.announced) == 1)
        at.close_bars("AUSDT", corrected, bar(1))
        await at.until(lambda: len(at.announced) == 2)
        assert [candle.open_time_ms for _, _, candle in at.announced] == [
            bar(number).open_time_ms for number in range(2)
        ]
        key = at.data.get_manager("AUSDT", M1).key
        assert at.data.store.read(key) == [corrected, bar(1)]
        assert sum("corrected" in text for text in caplog.messages) == 1


async def test_a_series_let_go_of_is_not_announced_any_more(tmp_path):
    async with setting(tmp_path) as at:
        await at.feed.follow_many(["AUSDT"], M1, by="scan", bars=1)
        at.close_bars("AUSDT", bar(0))
        at.feed.release("scan")
        await asyncio.sleep(1)
        assert at.announced == []
        key = at.data.get_manager("AUSDT", M1).key
        assert at.data.store.read(key) == [bar(0)], "what came is kept all the same"


async def test_what_was_polled_is_in_memory_when_the_answer_is_there(tmp_path):
    async with setting(tmp_path) as at:
        await at.follow("AUSDT", "BUSDT")
        at.port.bars = [bar(0)]
        at.clock.advance_ms(M1.duration_ms)
        assert await at.feed.poll(["AUSDT", "BUSDT"], M1) == {}
        assert [at.data.get_manager(s, M1).rows_in_memory for s in ("AUSDT", "BUSDT")] == [1, 1]


async def test_a_disk_that_does_not_answer_is_a_fault_until_it_does(tmp_path):
    async with setting(tmp_path) as at:
        at.supervisor.keep_running("watch", at.feed.watch_store)
        waiting = asyncio.create_task(at.data.append_candles([("AUSDT", M1, bar(0))]))
        # Time passes between handing over and the writer's turn; the loop runs it one turn later.
        await asyncio.sleep(0)
        at.clock.advance_ms(int(shared_data_manager.SLOW_DISK_S * 1000) + 1)
        seen = at.data.fault
        await waiting
        assert seen == "The candle store has waited for the disk for more than 10 seconds."
        assert at.data.fault is None


def wish(world) -> OrderRequest:
    """An entry that is denied for nothing but the store."""
    price, now_ms = world.feed.tickers["BTCUSDT"].last_price, world.clock.time_ms()
    return OrderRequest(
        client_order_id=make_client_order_id("hand", "BTCUSDT", now_ms, "1"),
        account="demo",
        bot_id="",
        strategy="hand",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.01"),
        reference_price=price,
        purpose=OrderPurpose.ENTRY,
        created_ms=now_ms,
        stop_loss=price / 2,
    )


async def test_while_candles_cannot_be_stored_nothing_is_entered_and_exits_go_on(world):
    wide = {"stop_atr": 40.0, "take_profit_atr": 90.0}  # so that the position stays
    await world.start([world.bot(symbol, parameters=wide) for symbol in ("BTCUSDT", "ETHUSDT")])
    await world.running()
    await world.until(lambda: bool(world.held()))
    writer = world.feed.data.store._hot._writer
    writer.execute("PRAGMA query_only = ON")  # as if the disk had gone read-only
    await world.until(lambda: world.feed.data.fault is not None, within_h=24)
    assert world.feed.data.fault.startswith("The candle store cannot write: ")
    await world.hours(0.1)
    assert world.feed.data.snapshot().fault == world.feed.data.fault
    entries = len(world.entries())
    world.desk.bus.publish(wish(world))
    await world.until(lambda: bool(world.notices("Denied")), within_h=0.1)
    assert "no entry leaves now: The candle store cannot write" in world.notices("Denied")[0]
    symbol = next(iter(world.held()))
    assert world.desk.close_position(symbol, "by hand")
    await world.until(lambda: symbol not in world.held())
    await world.hours(6)
    assert len(world.entries()) == entries
    began = [text for text in world.notices() if "Nothing is entered meanwhile" in text]
    assert len(began) == 1
    writer.execute("PRAGMA query_only = OFF")
    await world.until(lambda: world.feed.data.fault is None)
    await world.until(lambda: len(world.entries()) > entries)
    assert world.notices().count("Candles are stored again.") == 1
    assert world.feed.data.get_manager("BTCUSDT", M15).gaps() == []
    await world.audit()
