"""The candles of one exchange, shared by all of its bots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from core.clock import Clock
from core.market_data.bot_data_manager import AppendOutcome, BotDataManager, FetchCandles
from core.models.candles import Candle, Timeframe
from core.snapshots import DataSnapshot


class SharedDataManager:
    """Thread safe."""

    def __init__(self, exchange: str, *, cache_dir: Path, clock: Clock) -> None:
        """Raises StoreFault."""
        raise NotImplementedError

    def get_manager(self, symbol: str, timeframe: Timeframe = Timeframe.M15) -> BotDataManager:
        """The one manager of this series; made on first use, empty until loaded."""
        raise NotImplementedError

    def append_candle_batch(
        self, candles: Mapping[str, Candle], timeframe: Timeframe = Timeframe.M15
    ) -> dict[str, AppendOutcome]:
        """Closed candles by symbol, in one durable transaction. A bad one is REFUSED and logged,
        its neighbours are kept. Raises StoreFault; then nothing changed."""
        raise NotImplementedError

    async def load_historical_batch(
        self, symbols: Iterable[str], fetch: FetchCandles, timeframe: Timeframe = Timeframe.M15
    ) -> dict[str, bool]:
        """Load many symbols side by side; False (and a log line) where that failed."""
        raise NotImplementedError

    def batch_save_parquet(self) -> int:
        """Merge all hot rows to Parquet; returns the number of series (disk: use a thread)."""
        raise NotImplementedError

    def cleanup_old_symbols(self, max_symbols: int = 100) -> int:
        """Save, then free the least recently used managers above `max_symbols`; returns how many
        (disk: use a thread). A manager that a bot still holds stays the one of its series."""
        raise NotImplementedError

    def get_memory_usage(self) -> dict[str, int]:
        """symbols, candles, bytes."""
        raise NotImplementedError

    def get_stats(self) -> dict[str, object]:
        """symbols_loaded, total_candles_managed, active_symbols, total_memory_candles,
        last_batch_save (ms UTC market time, None before the first)."""
        raise NotImplementedError

    def snapshot(self) -> DataSnapshot:
        """For the screen; touches no disk."""
        raise NotImplementedError

    def close(self) -> None:
        """Save everything and close the files (disk: use a thread)."""
        raise NotImplementedError
