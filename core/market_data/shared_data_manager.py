"""The candles of one exchange, shared by all of its bots: one manager a series, one store."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from core.clock import Clock
from core.exchange_port import ExchangeError
from core.market_data.bot_data_manager import AppendOutcome, BotDataManager, FetchCandles
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_data.integrity import BadCandle
from core.market_data.series_memory import MAX_ENTRY_MEMORY
from core.models.candles import Candle, SeriesKey, Timeframe
from core.snapshots import DataSnapshot, SeriesSnapshot
from core.storage.disk import DISK, Disk

log = logging.getLogger(__name__)

MAX_SYMBOLS = 100
SLOW_DISK_S = 10.0  # nobody waits for it but candles; yet it is no disk to enter trades on
_SLOW_DISK = "The candle store has waited for the disk for more than 10 seconds."
_LOADS_AT_ONCE = 8  # the rate limiter paces them; this bounds what waits in memory


class SharedDataManager:
    """Thread safe."""

    def __init__(self, exchange: str, *, cache_dir: Path, clock: Clock, disk: Disk = DISK) -> None:
        """Raises StoreFault."""
        self.exchange = exchange.lower()
        self._cache_dir = cache_dir
        self._clock = clock
        self._store = CandleStore(cache_dir, disk=disk)
        # One thread: batches become durable in the order in which they were given.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="candle writer")
        self._lock = threading.RLock()
        self._loaded: OrderedDict[SeriesKey, BotDataManager] = OrderedDict()  # oldest use first
        # Also those freed but still held by a bot: a series never has two managers.
        self._alive: WeakValueDictionary[SeriesKey, BotDataManager] = WeakValueDictionary()
        self._begun_s: deque[float] = deque()  # when the appends under way were handed over
        self._last_save_ms: int | None = None
        self._last_save_took_ms: float | None = None
        self._last_save_symbols = 0
        self._cache_bytes = self._measure_cache()

    @property
    def store(self) -> CandleStore:
        """For whoever needs exact candles or a long history."""
        return self._store

    @property
    def fault(self) -> str | None:
        """Why candles cannot be stored now, in one sentence; None while they can."""
        if self._begun_s and self._clock.monotonic_s() - self._begun_s[0] > SLOW_DISK_S:
            return _SLOW_DISK
        return self._store.fault

    def get_manager(self, symbol: str, timeframe: Timeframe = Timeframe.M15) -> BotDataManager:
        """The one manager of this series (`timeframe` is its base); made on first use, empty
        until loaded. Raises ValueError for a base without fixed length."""
        key = SeriesKey(self.exchange, symbol, timeframe)
        with self._lock:
            manager = self._alive.get(key)
            if manager is None:
                manager = BotDataManager(key, store=self._store, clock=self._clock)
                self._alive[key] = manager
            self._loaded[key] = manager
            self._loaded.move_to_end(key)
            return manager

    def append_candle_batch(
        self, candles: Mapping[str, Candle], timeframe: Timeframe = Timeframe.M15
    ) -> dict[str, AppendOutcome]:
        """Closed candles by symbol, in one durable transaction. A bad one is REFUSED and logged,
        its neighbours are kept. Raises StoreFault; then nothing changed."""
        rows = [(symbol, timeframe, candle) for symbol, candle in candles.items()]
        return dict(zip(candles, self._append(rows), strict=True))

    def _append(self, rows: Sequence[tuple[str, Timeframe, Candle]]) -> list[AppendOutcome]:
        outcomes: list[AppendOutcome] = []
        accepted: list[tuple[BotDataManager, Candle]] = []
        managers = [self.get_manager(symbol, timeframe) for symbol, timeframe, _ in rows]
        with _writing(managers):
            for manager, (_, _, candle) in zip(managers, rows, strict=True):
                try:
                    outcome = manager.classify(candle)
                except BadCandle as fault:
                    log.warning("Candle refused: %s", fault)
                    outcome = AppendOutcome.REFUSED
                outcomes.append(outcome)
                if outcome in (AppendOutcome.NEW, AppendOutcome.CORRECTED):
                    accepted.append((manager, candle))
            self._store.append((manager.key, candle) for manager, candle in accepted)
            for manager, candle in accepted:
                manager.remember(candle)
        return outcomes

    async def append_candles(
        self, rows: Sequence[tuple[str, Timeframe, Candle]]
    ) -> list[AppendOutcome]:
        """As `append_candle_batch`, for any series, of each as many bars as there are, oldest
        first; and whoever awaits it does not stop the loop: a disk that takes seconds delays
        candles, never orders. Calls take effect in their order."""
        self._begun_s.append(self._clock.monotonic_s())
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, self._append, rows)
        finally:
            self._begun_s.popleft()

    async def load_historical_batch(
        self,
        symbols: Iterable[str],
        fetch: FetchCandles,
        timeframe: Timeframe = Timeframe.M15,
        bars: int = MAX_ENTRY_MEMORY,
    ) -> dict[str, bool]:
        """Load the newest `bars` of many symbols; False (and a log line) where that failed. The
        store is read in one go; the exchange is asked, side by side, only where something is
        missing."""
        names = list(dict.fromkeys(symbols))
        managers = {name: self.get_manager(name, timeframe) for name in names}
        results = await asyncio.to_thread(self._load_stored, managers)
        slots = asyncio.Semaphore(_LOADS_AT_ONCE)

        async def fill(name: str) -> None:
            async with slots:
                try:
                    await managers[name].fill_recent(fetch, bars)
                except (ExchangeError, StoreFault) as fault:
                    self._log_not_loaded(name, fault)
                    results[name] = False

        lacking = [name for name in names if results[name] and managers[name].lacks_recent(bars)]
        await asyncio.gather(*map(fill, lacking))
        self._cache_bytes = await asyncio.to_thread(self._measure_cache)
        return results

    def _load_stored(self, managers: Mapping[str, BotDataManager]) -> dict[str, bool]:
        results = dict.fromkeys(managers, True)
        try:
            with _writing(managers.values()):
                for manager in managers.values():
                    manager.make_durable()
                keys = [manager.key for manager in managers.values()]
                found = self._store.read_newest(keys, MAX_ENTRY_MEMORY)
                for (name, manager), stored in zip(managers.items(), found, strict=True):
                    if isinstance(stored, StoreFault):
                        self._log_not_loaded(name, stored)
                        results[name] = False
                    else:
                        manager.take_stored(stored)
        except StoreFault as fault:
            for name in managers:
                self._log_not_loaded(name, fault)
            return dict.fromkeys(managers, False)
        return results

    def _log_not_loaded(self, symbol: str, fault: Exception) -> None:
        log.warning("%s %s: history not loaded: %s", self.exchange, symbol, fault)

    def batch_save_parquet(self, *, min_rows: int = 1) -> int:
        """Merge the hot rows of every series that has at least `min_rows` to Parquet; returns
        the number of series (disk: use a thread). Raises StoreFault."""
        started_s = self._clock.monotonic_s()
        managers = self._managers()
        for manager in managers:
            manager.make_durable()
        saved = self._store.merge(min_rows=min_rows)
        for manager in managers:
            manager.refresh_info()
        self._cache_bytes = self._measure_cache()
        self._last_save_ms = self._clock.time_ms()
        self._last_save_took_ms = (self._clock.monotonic_s() - started_s) * 1000
        self._last_save_symbols = saved
        return saved

    def cleanup_old_symbols(self, max_symbols: int = MAX_SYMBOLS) -> int:
        """Save, then free the least recently used managers above `max_symbols`; returns how many
        (disk: use a thread). A manager that a bot still holds stays the one of its series.
        Raises StoreFault; then nothing is freed."""
        if len(self._managers()) <= max_symbols:
            return 0
        self.batch_save_parquet()
        with self._lock:
            freed = max(0, len(self._loaded) - max_symbols)
            for _ in range(freed):
                self._loaded.popitem(last=False)
            return freed

    def get_memory_usage(self) -> dict[str, int]:
        """symbols, candles, bytes."""
        managers = self._managers()
        return {
            "symbols": len(managers),
            "candles": sum(m.rows_in_memory for m in managers),
            "bytes": sum(m.memory_bytes for m in managers),
        }

    def get_stats(self) -> dict[str, object]:
        """symbols_loaded, total_candles_managed (in the store), active_symbols,
        total_memory_candles, last_batch_save (ms UTC market time, None before the first)."""
        managers = self._managers()
        return {
            "symbols_loaded": len(managers),
            "total_candles_managed": sum(m.info.rows for m in managers),
            "active_symbols": sorted({m.key.symbol for m in managers}),
            "total_memory_candles": sum(m.rows_in_memory for m in managers),
            "last_batch_save": self._last_save_ms,
        }

    def snapshot(self) -> DataSnapshot:
        """For the screen; touches no disk."""
        managers = self._managers()
        series = [_series_snapshot(manager) for manager in managers]
        return DataSnapshot(
            symbols_loaded=len(managers),
            max_symbols=MAX_SYMBOLS,
            candles_in_memory=sum(m.rows_in_memory for m in managers),
            memory_bytes=sum(one.memory_bytes for one in series),
            candles_stored=sum(one.rows for one in series),
            last_save_ms=self._last_save_ms,
            last_save_took_ms=self._last_save_took_ms,
            last_save_symbols=self._last_save_symbols,
            gaps_filled=sum(m.gaps_filled for m in managers),
            gaps_open=sum(one.gaps for one in series),
            backfills=sum(m.backfills for m in managers),
            cache_bytes=self._cache_bytes,
            fault=self.fault,
            series=series,
        )

    def close(self) -> None:
        """Save everything and close the files (disk: use a thread). Raises StoreFault."""
        self._writer.shutdown()
        try:
            self.batch_save_parquet()
        finally:
            self._store.close()

    def _managers(self) -> list[BotDataManager]:
        with self._lock:
            return list(self._loaded.values())

    def _measure_cache(self) -> int:
        """Bytes of the whole cache directory; a file may vanish while it is looked at."""
        total = 0
        for path in self._cache_dir.iterdir():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total


@contextmanager
def _writing(managers: Iterable[BotDataManager]) -> Iterator[None]:
    """Nobody else changes these series meanwhile. One order of locking, so that two batches
    never wait for each other."""
    with ExitStack() as held:
        for manager in sorted(managers, key=lambda manager: manager.key):
            held.enter_context(manager.writing)
        yield


def _series_snapshot(manager: BotDataManager) -> SeriesSnapshot:
    info = manager.info
    return SeriesSnapshot(
        exchange=manager.key.exchange,
        symbol=manager.key.symbol,
        timeframe=manager.key.timeframe.value,
        rows=info.rows,
        first_ms=info.first_ms,
        last_ms=info.last_ms,
        gaps=len(manager.gaps()),
        file_bytes=info.file_bytes,
        memory_bytes=manager.memory_bytes,
    )
