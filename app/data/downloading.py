"""`data download`: history of many symbols, from a configured account's exchange or a public API.

Reads nothing but public data: no key is asked for. Ends in order on Ctrl+C and SIGTERM; the same
words again ask only for the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import difflib
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from app.config import AccountConfig, load_config
from app.data.places import DEMO, REAL, data_dir_of, engine_pid, open_store
from app.data.progress import Progress
from app.demo_launcher import DemoLaunch
from app.demo_runtime import DemoExchangeRuntime
from app.engine_main import prepare_data_dir
from app.options import EXIT_ALREADY_RUNNING, EXIT_FAULT, EXIT_OK, Options, StartError
from core.clock import ScaledClock, SystemClock
from core.exchange_port import ExchangeError, MarketDataPort
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_data.candle_store import CandleStore
from core.market_data.download import HistoryDownload, PoliteTurn
from core.snapshots import AccountMode, DownloadState
from core.storage.instance_lock import AlreadyRunning, InstanceLock
from exchanges.exchange_manager import AccountSpec, ExchangeManager, unknown_exchange

EXIT_INTERRUPTED = 130
DEFAULT_SPAN_MS = 365 * 86_400_000
# Exchanges count by address: beside an engine, which may use all of its 80 %, only a little.
SHARE_ALONE, SHARE_BESIDE_ENGINE = 0.8, 0.2


def download(parsed: argparse.Namespace) -> int:
    """The exit code. Raises StartError."""
    if not parsed.symbols and not parsed.all:
        raise StartError("name the symbols, or --all; see: python run.py data download --help")
    account = _account(parsed)
    is_demo = account.mode is AccountMode.DEMO
    data_dir = data_dir_of(argparse.Namespace(data_dir=parsed.data_dir, demo=is_demo))
    prepare_data_dir(data_dir, DEMO if is_demo else REAL)
    with (
        _only_download(data_dir),
        _demo_exchange(data_dir, is_demo) as demo,
        open_store(data_dir) as store,
    ):
        return asyncio.run(_Run(parsed, account, data_dir, store, demo).run())


def _account(parsed: argparse.Namespace) -> AccountConfig:
    """Whose exchange and address. Without a configuration a paper one: it needs no key."""
    if parsed.config is None:
        if parsed.account is not None:
            raise StartError("--account names an account of --config FILE.toml")
        mode = AccountMode.DEMO if parsed.demo else AccountMode.PAPER
        return AccountConfig(name="download", exchange=parsed.exchange, mode=mode)
    accounts = {account.name: account for account in load_config(parsed.config).accounts}
    if parsed.account is None:
        return next(iter(accounts.values()))
    if parsed.account not in accounts:
        raise StartError(
            f"{parsed.config}: no account named {parsed.account!r}; known: {', '.join(accounts)}"
        )
    return accounts[parsed.account]


@contextlib.contextmanager
def _only_download(data_dir: Path) -> Iterator[None]:
    """Two downloads at once would count the exchange's limit twice."""
    lock = InstanceLock(data_dir / "run" / "download.lock")
    try:
        lock.acquire()
    except AlreadyRunning as other:
        raise StartError(
            f"a download (process {other.pid}) runs on {data_dir} already; wait, or stop it",
            EXIT_ALREADY_RUNNING,
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _demo_exchange(data_dir: Path, is_demo: bool) -> Iterator[DemoExchangeRuntime | None]:
    """The one that runs here, or one for the time of the download."""
    if not is_demo:
        yield None
        return
    launch = DemoLaunch(Options(data_dir=data_dir))
    launch.begin()
    try:
        yield launch.runtime()
    finally:
        engine = InstanceLock(data_dir / "run" / "engine.lock")
        with contextlib.suppress(AlreadyRunning):  # an engine needs it, and will end it
            engine.acquire()
            launch.stop()
            engine.release()


class _Run:
    def __init__(
        self,
        parsed: argparse.Namespace,
        account: AccountConfig,
        data_dir: Path,
        store: CandleStore,
        demo: DemoExchangeRuntime | None,
    ) -> None:
        self._parsed = parsed
        self._account = account
        self._data_dir = data_dir
        self._store = store
        self._demo = demo
        self._clock: SystemClock | ScaledClock = SystemClock()
        if demo is not None:
            self._clock = ScaledClock(
                market_anchor_ms=demo.market_anchor_ms,
                unix_anchor_ms=demo.unix_anchor_ms,
                rate=demo.rate,
            )
        self._limiters = MultiExchangeRateLimiter(self._clock)

    async def run(self) -> int:
        manager = ExchangeManager(random.Random())  # jitter of reconnects: there are none here
        try:
            port = manager.add(self._spec())
        except ValueError:
            raise StartError(unknown_exchange(self._account.exchange)) from None
        try:
            made = await self._made(port)
            return await self._follow(made)
        except ExchangeError as fault:
            raise StartError(f"{port.exchange}: {fault.text}", EXIT_FAULT) from None
        finally:
            await manager.stop()

    def _spec(self) -> AccountSpec:
        """Paper, whatever the account is: public data need no key."""
        rest_url = self._account.rest_url or ""
        if self._demo is not None:
            rest_url = f"http://{self._demo.host}:{self._demo.port}"
        return AccountSpec(
            name=self._account.name,
            exchange=self._account.exchange,
            mode=AccountMode.PAPER,
            clock=self._clock,
            limiter=self._limiters.limiter(self._account.exchange).for_account(self._account.name),
            rest_url=rest_url,
        )

    async def _made(self, port: MarketDataPort) -> HistoryDownload:
        if isinstance(self._clock, SystemClock):
            self._clock.set_offset(await port.fetch_clock_offset_ms())
        symbols = await self._symbols(port)
        start_ms = self._parsed.start_ms
        if start_ms is None:
            start_ms = self._clock.time_ms() - DEFAULT_SPAN_MS
        if start_ms >= min(self._clock.time_ms(), self._parsed.end_ms or self._clock.time_ms()):
            raise StartError("--from must lie before --to and before now")
        is_beside_engine = engine_pid(self._data_dir) is not None
        share = SHARE_BESIDE_ENGINE if is_beside_engine else SHARE_ALONE
        try:
            return HistoryDownload(
                port,
                symbols,
                self._parsed.timeframe,
                start_ms=start_ms,
                end_ms=self._parsed.end_ms,
                turn=PoliteTurn(self._limiters.limiter(port.exchange), share),
                store=self._store,
                clock=self._clock,
            )
        except ValueError as fault:
            raise StartError(str(fault).rstrip(".")) from None

    async def _symbols(self, port: MarketDataPort) -> list[str]:
        instruments = await port.fetch_instruments()
        known = {instrument.symbol for instrument in instruments}
        for symbol in self._parsed.symbols:
            if symbol not in known:
                likely = difflib.get_close_matches(symbol, known, n=1)
                hint = f"; did you mean {likely[0]}?" if likely else ""
                raise StartError(f"{port.exchange} has no symbol {symbol}{hint}")
        if self._parsed.all:
            return sorted(i.symbol for i in instruments if i.is_trading)
        chosen: list[str] = self._parsed.symbols
        return chosen

    async def _follow(self, download: HistoryDownload) -> int:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt cancels us
                loop.add_signal_handler(name, download.cancel)
        shown = asyncio.create_task(Progress(download, sys.stdout).show())
        try:
            await download.run()
        except asyncio.CancelledError:
            if download.state is not DownloadState.CANCELLED:
                raise
        finally:
            await shown
        return {DownloadState.DONE: EXIT_OK, DownloadState.CANCELLED: EXIT_INTERRUPTED}.get(
            download.state, EXIT_FAULT
        )
