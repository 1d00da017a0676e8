"""One run without a screen, from nothing to the report, beside the exchange's own books."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from program import ROOT, Home

from core.snapshots import EngineState

pytestmark = pytest.mark.end_to_end
REPORT_KEYS = {
    "candles_closed",
    "round_trips",
    "unhandled_exceptions",
    "qt_warnings",
    "ledger_error",
    "feed_latency_ms",
    "loop_gap_ms",
    "first_candle_s",
    "rss_mb",
}
HEAVY_SCREEN_PARTS = ("PyQt6", "pyqtgraph", "qasync")
FIFTEEN_MIN_MS = 900_000


@pytest.fixture(scope="module")
def run(module_home: Home) -> dict[str, Any]:
    """The report of a run of 20 s: a bar a second."""
    report = module_home.folder / "report.json"
    words = ("--demo", "--autostart", "--speed", "900", "--for", "20", "--report", str(report))
    finished = module_home.run("engine", *words)
    assert (finished.code, finished.err) == (0, "")
    figures: dict[str, Any] = json.loads(report.read_text())
    return figures


def test_the_report_says_what_was_asked(run: dict[str, Any]) -> None:
    assert set(run) >= REPORT_KEYS
    assert set(run["feed_latency_ms"]) == {"p50", "p99"}
    assert set(run["loop_gap_ms"]) >= {"engine_max", "screen_max"}
    assert set(run["rss_mb"]) == {"engine", "screen"}


def test_it_closes_a_bar_a_second_and_its_ledger_agrees(run: dict[str, Any]) -> None:
    assert run["candles_closed"] >= 14
    assert run["unhandled_exceptions"] == 0
    assert run["ledger_error"] == 0.0
    assert 0 < run["feed_latency_ms"]["p50"] <= run["feed_latency_ms"]["p99"]
    assert 0 < run["first_candle_s"] < 20
    assert 0 < run["rss_mb"]["engine"] < 400


def test_what_a_screen_knows_is_left_open(run: dict[str, Any]) -> None:
    assert run["qt_warnings"] is None
    assert run["loop_gap_ms"]["screen_max"] is None
    assert run["rss_mb"]["screen"] is None


def test_the_log_holds_no_fault_and_no_key(run: dict[str, Any], module_home: Home) -> None:
    keys = json.loads((module_home.data_dir / "storage" / "demo_exchange_keys.json").read_text())
    for file in (module_home.data_dir / "logs").iterdir():
        text = file.read_text(encoding="utf-8")
        assert " ERROR " not in text
        assert "Traceback" not in text
        assert keys["api_secret"] not in text


def test_the_candles_on_disk_are_whole(run: dict[str, Any], module_home: Home) -> None:
    table = pq.read_table(module_home.data_dir / "cache" / "bybit_btcusdt_15m.parquet")
    times = table["timestamp"].to_pylist()
    assert times == list(range(times[0], times[-1] + 1, FIFTEEN_MIN_MS))
    assert len(times) >= 1000


def test_the_running_engine_has_no_qt_in_it(home: Home) -> None:
    engine = home.start_engine("--demo", "--autostart", "--speed", "900")
    with home.attach() as screen:
        screen.until(lambda s: s.state is EngineState.RUNNING and s.bots[0].candles_closed > 0)
        maps = {mapped.path for mapped in psutil.Process(engine.pid).memory_maps()}
    assert any("pyarrow" in path for path in maps), "the maps can be read"
    assert not [path for path in maps if any(part in path for part in HEAVY_SCREEN_PARTS)]


def test_importing_the_engine_imports_no_qt() -> None:
    code = (
        "import sys, app.engine_main, app.engine_run;"
        f"print([name for name in sys.modules if name.split('.')[0] in {HEAVY_SCREEN_PARTS}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_replayed_candles_arrive_on_disk_bar_for_bar(home: Home, real_candles: Path) -> None:
    words = ("--demo", "--autostart", "--speed", "900", "--candles", str(real_candles))
    engine = home.start_engine(*words)
    with home.attach() as screen:
        screen.until(lambda s: bool(s.bots) and s.bots[0].candles_closed >= 8)
        source = home.demo().sources["BTCUSDT"]
        played_from_ms = home.demo().market_anchor_ms
    assert engine.terminate() == 0, engine.err

    kept = pq.read_table(home.data_dir / "cache" / "bybit_btcusdt_15m.parquet").to_pylist()
    times = [row["timestamp"] for row in kept]
    assert times == list(range(times[0], times[-1] + 1, FIFTEEN_MIN_MS))
    assert sum(time_ms >= played_from_ms for time_ms in times) >= 8
    wanted = {row["timestamp"]: row for row in pq.read_table(real_candles / source).to_pylist()}
    for row in kept:
        original = wanted[row["timestamp"]]
        for name in ("open", "high", "low", "close", "volume"):
            assert row[name] == Decimal(str(original[name])), (row["timestamp"], name)
