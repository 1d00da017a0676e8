"""A download asks for what is missing, newest first, once; whatever happens, what came is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.exchange_port import ExchangeError, RateLimited, RequestRejected, Unavailable
from core.limits.api_rate_limiter import APIRateLimiter
from core.market_data import download as module
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_data.download import PAGE_BARS, HistoryDownload, PoliteTurn
from core.models.candles import Candle, SeriesKey, Timeframe
from core.snapshots import DownloadState

Bar = Callable[..., Candle]
Range = tuple[int, int]
BARS = 3_500


class Exchange:
    """Bars 0..BARS of every symbol but `absent`; notes each question as a range of bars.

    `faults` are raised, one for each question, before anything is answered.
    """

    exchange = "bybit"

    def __init__(self, clock: ManualClock, bar: Bar, count: int = BARS) -> None:
        self.clock, self.bar = clock, bar
        self.bars = {bar(n).open_time_ms: bar(n) for n in range(count)}
        self.first_ms = bar(0).open_time_ms
        self.questions: list[tuple[str, int | None, int | None]] = []
        self.faults: list[Exception] = []
        self.on_question: Callable[[], None] = lambda: None
        clock.advance_ms(bar(count).open_time_ms + 5_000 - clock.time_ms())

    def number(self, time_ms: int | None) -> int | None:
        return None if time_ms is None else (time_ms - self.first_ms) // 900_000

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        self.questions.append((symbol, self.number(start_ms), self.number(end_ms)))
        self.on_question()
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        times = [
            time_ms
            for time_ms in self.bars
            if (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms <= end_ms)
        ]
        chosen = times[:limit] if start_ms is not None else times[-limit:]
        return [self.bars[time_ms] for time_ms in chosen]


async def at_once() -> None:
    """It is always our turn."""


@pytest.fixture
def exchange(clock: ManualClock, bar: Bar) -> Exchange:
    return Exchange(clock, bar)


@pytest.fixture
def make(
    exchange: Exchange, store: CandleStore, clock: ManualClock, bar: Bar
) -> Callable[..., HistoryDownload]:
    def made(symbols: list[str] | None = None, **words: Any) -> HistoryDownload:
        fields: dict[str, Any] = {
            "start_ms": bar(0).open_time_ms,
            "turn": at_once,
            "store": store,
            "clock": clock,
        } | words
        return HistoryDownload(exchange, symbols or ["BTCUSDT"], Timeframe.M15, **fields)

    return made


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER_S", (0.0, 0.0))


Make = Callable[..., HistoryDownload]


async def test_everything_comes_newest_page_first(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey
) -> None:
    download = make()
    await download.run()
    assert [last for _, _, last in exchange.questions] == [3499, 2502, 1504, 506]
    assert store.read(key) == list(exchange.bars.values())
    snapshot = download.snapshot()
    row = snapshot.symbols[0]
    assert (row.state, row.wanted, row.done, row.added) == ("done", BARS, BARS, BARS)
    assert snapshot.state is DownloadState.DONE


async def test_only_what_is_missing_is_asked_for(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey, bar: Bar
) -> None:
    there = [*range(100, 1_200), *range(1_300, 3_400)]
    store.append((key, bar(n)) for n in there)
    await make().run()
    asked = {n for _, first, last in exchange.questions for n in range(first or 0, (last or 0) + 1)}
    missing = set(range(BARS)) - set(there)
    assert asked >= missing
    assert asked - missing <= {100, 1_199, 1_300, 3_399}  # neighbours: they prove what is not there
    assert store.read(key) == list(exchange.bars.values())
    exchange.questions.clear()
    await make().run()
    assert exchange.questions == []


async def test_a_time_before_the_listing_is_asked_for_once(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey, bar: Bar
) -> None:
    start_ms = bar(-50_000).open_time_ms
    first = make(start_ms=start_ms)
    await first.run()
    assert len(exchange.questions) <= 7  # four pages, an empty one, and two looks for older ones
    assert first.snapshot().symbols[0].added == BARS
    exchange.questions.clear()
    await make(start_ms=start_ms).run()
    assert exchange.questions == []


async def test_a_halt_of_the_exchange_is_skipped_with_one_question(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey, bar: Bar
) -> None:
    for n in range(1, 3_200):
        del exchange.bars[bar(n).open_time_ms]
    await make(start_ms=bar(0).open_time_ms).run()
    assert store.read(key) == list(exchange.bars.values())
    exchange.questions.clear()
    await make().run()
    assert exchange.questions == []


async def test_the_forming_bar_stays_out(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey, bar: Bar
) -> None:
    exchange.bars[bar(BARS).open_time_ms] = bar(BARS)  # an exchange that sends it all the same
    await make().run()
    assert store.read(key)[-1] == bar(BARS - 1)


async def test_cancelling_keeps_every_page_that_came_and_the_rest_comes_later(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey
) -> None:
    download = make()

    def cancel_at_the_third() -> None:
        if len(exchange.questions) == 3:
            download.cancel()

    exchange.on_question = cancel_at_the_third
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(download.run())
    assert download.snapshot().state is DownloadState.CANCELLED
    assert download.snapshot().symbols[0].state == "cancelled"
    assert store.read(key) == list(exchange.bars.values())[-2 * PAGE_BARS :]
    exchange.on_question = lambda: None
    exchange.questions.clear()
    await make().run()
    assert [last for _, _, last in exchange.questions] == [1504, 506]
    assert store.read(key) == list(exchange.bars.values())


async def test_paused_means_that_nothing_is_asked(make: Make, exchange: Exchange) -> None:
    download = make()
    exchange.on_question = download.pause
    task = asyncio.create_task(download.run())
    while exchange.questions == []:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert len(exchange.questions) == 1
    exchange.on_question = lambda: None
    download.resume()
    await task
    assert download.snapshot().state is DownloadState.DONE


async def test_a_download_cancelled_before_it_began_asks_nothing(
    make: Make, exchange: Exchange
) -> None:
    download = make()
    download.cancel()
    await download.run()
    assert exchange.questions == []


async def test_a_read_that_fails_is_repeated(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey, no_pauses: None
) -> None:
    exchange.faults = [Unavailable("no answer"), RateLimited("wait", retry_after_s=0.0)]
    await make().run()
    assert store.read(key) == list(exchange.bars.values())


@pytest.mark.parametrize(
    "faults", [[RequestRejected("no such symbol")], [Unavailable("the exchange is down")] * 3]
)
async def test_a_symbol_that_fails_does_not_keep_the_others(
    make: Make, exchange: Exchange, no_pauses: None, faults: list[ExchangeError]
) -> None:
    exchange.faults = list(faults)
    download = make(["ETHUSDT", "BTCUSDT"], symbols_at_once=1)
    await download.run()
    snapshot = download.snapshot()
    assert [(row.symbol, row.state) for row in snapshot.symbols] == [
        ("ETHUSDT", "failed"),
        ("BTCUSDT", "done"),
    ]
    assert snapshot.symbols[0].text == faults[0].text
    assert snapshot.state is DownloadState.FAILED
    assert snapshot.state_text == "1 of 2 symbols could not be completed."


async def test_a_disk_that_fails_ends_all(
    make: Make, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFault("The candle store cannot write: no space left.")

    monkeypatch.setattr(CandleStore, "append", full)
    download = make(["ETHUSDT", "BTCUSDT", "SOLUSDT", "XRPUSDT"])
    await download.run()
    assert download.snapshot().state is DownloadState.FAILED
    assert "no space left" in download.snapshot().state_text
    assert {row.state for row in download.snapshot().symbols} == {"cancelled"}


async def test_bars_that_cannot_be_true_do_not_stop_it(
    make: Make,
    exchange: Exchange,
    store: CandleStore,
    key: SeriesKey,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    bad = exchange.bar(7, high=exchange.bar(7).low)
    exchange.bars[bad.open_time_ms] = bad
    await make().run()
    assert len(store.read(key)) == BARS - 1
    assert fail_on_unexpected_log
    fail_on_unexpected_log.clear()


async def test_a_bot_of_the_series_sees_what_came(
    make: Make, exchange: Exchange, store: CandleStore, key: SeriesKey
) -> None:
    live = BotDataManager(key, store=store, clock=exchange.clock)
    live.append_candle(exchange.bar(BARS - 1))
    await make(live_manager=lambda _key: live).run()
    assert live.rows_in_memory == 1000
    assert live.gaps() == []
    assert live.info.rows == BARS


async def test_month_bars_are_refused(
    exchange: Exchange, store: CandleStore, clock: ManualClock
) -> None:
    with pytest.raises(ValueError, match="made from 1d bars"):
        HistoryDownload(
            exchange, ["BTCUSDT"], Timeframe.MONTH, start_ms=0, turn=at_once, store=store,
            clock=clock,
        )  # fmt: skip


async def test_our_turn_comes_only_while_others_leave_room(clock: ManualClock) -> None:
    limiter = APIRateLimiter("bybit", clock)
    turn = PoliteTurn(limiter, 0.5)
    most = limiter.get_stats("market").max_tokens
    await asyncio.wait_for(turn(), 1)
    limiter.acquire(most // 2)
    waiting = asyncio.create_task(turn())
    await asyncio.sleep(0.12)
    assert not waiting.done()
    clock.advance_ms(5_100)
    await asyncio.wait_for(waiting, 1)
    limiter.penalise("market", 60)
    waiting = asyncio.create_task(turn())
    await asyncio.sleep(0.12)
    assert not waiting.done()
    waiting.cancel()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    there=st.sets(st.integers(0, 299)),
    absent=st.sets(st.integers(0, 299)),
    page=st.integers(1, 40),
)
def test_whatever_is_there_and_absent_the_union_comes_and_nothing_is_asked_twice(
    tmp_path_factory: pytest.TempPathFactory,
    bar: Bar,
    there: set[int],
    absent: set[int],
    page: int,
) -> None:
    clock = ManualClock(bar(0).open_time_ms)
    exchange = Exchange(clock, bar, 300)
    for n in absent:
        del exchange.bars[bar(n).open_time_ms]
    key = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
    store = CandleStore(tmp_path_factory.mktemp("any"))

    async def run() -> None:
        download = HistoryDownload(
            exchange, ["BTCUSDT"], Timeframe.M15, start_ms=bar(0).open_time_ms, turn=at_once,
            store=store, clock=clock,
        )  # fmt: skip
        await download.run()
        assert download.snapshot().state is DownloadState.DONE

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAGE_BARS", page)
        try:
            store.append((key, bar(n)) for n in there)
            asyncio.run(run())
            assert store.read(key) == [bar(n) for n in range(300) if n in there or n not in absent]
            exchange.questions.clear()
            asyncio.run(run())
            newest = max([-1, *there, *(set(range(300)) - absent)])
            # only what may still come: bars after the newest that there is (asked for again too)
            firsts = [first for _, first, _ in exchange.questions if first is not None]
            assert all(first >= newest for first in firsts)
        finally:
            store.close()
