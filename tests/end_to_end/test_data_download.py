"""`data download` against the real demo exchange: killed, interrupted, beside a running engine."""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from program import Home, wait_until

from core.commands import CancelDownload, ListSeries, RepairGaps, StartDownload
from core.market_data.candle_store import CandleStore
from core.models.candles import SeriesKey, Timeframe
from core.snapshots import DownloadState, EngineState
from exchanges.simulated.generated_market import DEFAULT_START_MS, GeneratedMarket

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DAY_MS = 86_400_000
FIRST_MS = DEFAULT_START_MS - 25 * DAY_MS
LAST_MS = DEFAULT_START_MS - 5 * DAY_MS
BARS = (LAST_MS - FIRST_MS) // 60_000 + 1


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


def words(first_ms: int = FIRST_MS, last_ms: int = LAST_MS) -> tuple[str, ...]:
    return (
        *("data", "download", "--demo", *SYMBOLS, "--timeframe", "1m"),
        *("--from", iso(first_ms), "--to", iso(last_ms)),
    )


def added(out: str) -> int:
    return sum(int(n.replace(",", "")) for n in re.findall(r"USDT 1m: ([\d,]+) candles", out))


def stored(home: Home, symbol: str) -> list[object]:
    store = CandleStore(home.data_dir / "cache")
    try:
        return list(store.read(SeriesKey("bybit", symbol, Timeframe.M1)))
    finally:
        store.close()


def stored_rows(home: Home) -> int:
    return sum(len(stored(home, symbol)) for symbol in SYMBOLS)


def assert_whole(home: Home) -> None:
    """Exactly what the market itself says, every bar once."""
    market = GeneratedMarket(1)
    for symbol in SYMBOLS:
        truth = market.candles(
            symbol, Timeframe.M1, now_ms=DEFAULT_START_MS, start_ms=FIRST_MS, end_ms=LAST_MS,
            limit=BARS,
        )  # fmt: skip
        assert len(truth) == BARS
        assert stored(home, symbol) == truth


def nothing_runs(data_dir: Path) -> bool:
    return not any(
        str(data_dir) in (process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline"])
    )


def test_killed_at_random_it_goes_on_with_what_is_missing(home: Home) -> None:
    rng = random.Random(5)
    home.start("demo-exchange", "--seed", "1")
    for _ in range(4):
        download = home.start(*words())
        time.sleep(rng.uniform(0.9, 2.0))
        download.kill()
    before = stored_rows(home)
    done = home.run(*words())
    assert done.code == 0, done.err
    assert added(done.out) == BARS * len(SYMBOLS) - before
    assert_whole(home)
    again = home.run(*words())
    assert (again.code, added(again.out)) == (0, 0)
    assert home.run("data", "verify").code == 0


def test_ctrl_c_leaves_everything_valid_and_the_same_words_go_on(home: Home) -> None:
    today_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    here = words(today_ms - 25 * DAY_MS, today_ms - 5 * DAY_MS)
    download = home.start(*here)
    wait_until((home.data_dir / "cache" / "hot.sqlite").exists, "it has begun")
    time.sleep(0.5)
    download.process.send_signal(signal.SIGINT)
    assert download.wait() == 130
    assert "The same command again asks only for the rest." in download.err
    assert "Traceback" not in download.err
    before = stored_rows(home)
    done = home.run(*here)
    assert done.code == 0, done.err
    assert added(done.out) == BARS * len(SYMBOLS) - before
    assert [len(stored(home, symbol)) for symbol in SYMBOLS] == [BARS] * len(SYMBOLS)
    assert home.run("data", "verify").code == 0
    wait_until(lambda: nothing_runs(home.data_dir), "the demo exchange ended with the download")


def test_wrong_symbols_and_a_second_download_are_refused_in_a_sentence(home: Home) -> None:
    wrong = home.run("data", "download", "--demo", "BTCUSD")
    assert (wrong.code, wrong.sentence) == (
        2,
        "TwinStar Quantum: bybit has no symbol BTCUSD; did you mean BTCUSDT?",
    )
    first = home.start(*words())
    lock = home.data_dir / "run" / "download.lock"
    wait_until(lambda: lock.exists() and lock.read_text() == str(first.pid), "it holds the lock")
    second = home.run(*words())
    assert second.code == 4
    assert f"a download (process {first.pid}) runs on" in second.sentence


def test_a_configured_account_needs_no_key_to_download(home: Home, tmp_path: Path) -> None:
    home.start("demo-exchange")
    wait_until((home.data_dir / "run" / "demo_exchange.json").exists, "the exchange listens")
    demo = home.demo()
    config = tmp_path / "trading.toml"
    config.write_text(
        '[[accounts]]\nname = "main"\nexchange = "bybit"\nmode = "live"\n'
        f'key = "env:NOBODY"\nrest_url = "http://{demo.host}:{demo.port}"\n'
    )
    real = ("--data-dir", str(tmp_path / "real"), "--config", str(config))
    done = home.run("data", "download", "BTCUSDT", "--account", "main", "--timeframe", "1h", *real)
    assert (done.code, done.err) == (0, "")
    assert "BTCUSDT 1h: 8,7" in done.out  # a year
    wrong = home.run("data", "download", "BTCUSDT", "--account", "other", *real)
    assert (wrong.code, "no account named 'other'; known: main" in wrong.sentence) == (2, True)
    info = home.run("data", "info", *real[:2])
    assert ["bybit", "BTCUSDT", "1h"] in [line.split()[:3] for line in info.out.splitlines()]


def test_an_engine_downloads_beside_its_bots_and_shares_the_cache_with_a_command(
    home: Home,
) -> None:
    home.start_engine("--demo", "--autostart", "--seed", "1")
    with home.attach() as screen:
        screen.until(lambda snapshot: snapshot.state is EngineState.RUNNING)
        assert screen.call(StartDownload(list(SYMBOLS), "1m", FIRST_MS)).ok
        refused = screen.call(StartDownload(["BTCUSDT"], "1m", FIRST_MS))
        assert (refused.ok, refused.text) == (
            False,
            "A download is running already; cancel it first.",
        )
        beside = home.run("data", "download", "--demo", "BNBUSDT", "--from", iso(FIRST_MS))
        assert beside.code == 0, beside.err
        snapshot = screen.until(
            lambda s: s.download is not None and s.download.state is not DownloadState.RUNNING
        )
        assert snapshot.download is not None
        assert snapshot.download.state is DownloadState.DONE
        assert {row.state for row in snapshot.download.symbols} == {"done"}
        series = screen.call(ListSeries()).series
        assert series is not None
        listed = {(row.symbol, row.timeframe): row for row in series}
        assert listed["BTCUSDT", "1m"].rows >= BARS
        assert listed["BNBUSDT", "15m"].gaps == 0
        assert listed["BTCUSDT", "15m"].memory_bytes > 0
        repaired = screen.call(RepairGaps("BTCUSDT", "1m"))
        assert (repaired.ok, repaired.text) == (True, "BTCUSDT 1m has no gaps.")
        nothing = screen.call(CancelDownload())
        assert (nothing.ok, nothing.text) == (False, "No download is running.")
        assert screen.next_snapshot().unhandled_exceptions == 0
