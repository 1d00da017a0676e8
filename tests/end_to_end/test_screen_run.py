"""The workstation as a trader starts it: a screen that starts its engine, dies, and comes back."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from agreement import (
    FIFTEEN_MIN_MS,
    assert_candles_are_whole,
    has_reconciled,
    orders_of_ours,
    running_bots,
    wait_for_agreement,
)
from program import Home, Running, wait_until

from app.options import EXIT_FAULT

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
SCREEN_KILLS = 10
FAST = ("--demo", "--autostart", "--speed", "900")
SIZES = {"1920": (1920, 1080), "1280": (1280, 800)}
ENGINES_KEYS = {
    "candles_closed",
    "round_trips",
    "ledger_error",
    "feed_latency_ms",
    "first_candle_s",
}


def png_size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


@pytest.fixture(scope="module")
def pictures(module_home: Home) -> Path:
    return module_home.folder / "pictures"


@pytest.fixture(scope="module")
def report(module_home: Home, pictures: Path) -> dict[str, Any]:
    """Of one run of the acceptance's command, shorter."""
    file = module_home.folder / "report.json"
    words = (*FAST, "--for", "20", "--screenshots", str(pictures), "--report", str(file))
    finished = module_home.run("screen", *words)
    assert (finished.code, finished.err) == (0, "")
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures


def test_the_report_holds_both_sides(report: dict[str, Any]) -> None:
    assert set(report) >= ENGINES_KEYS
    assert report["candles_closed"] >= 14
    assert report["unhandled_exceptions"] == 0
    assert report["qt_warnings"] == 0
    assert report["ledger_error"] == 0.0
    assert report["rss_mb"]["engine"] > 0
    assert report["rss_mb"]["screen"] > 0
    assert report["loop_gap_ms"]["engine_max"] > 0
    assert report["loop_gap_ms"]["screen_max"] > 0
    assert 0 < report["window_s"] <= report["chart_s"]


def test_every_page_is_pictured_in_both_sizes(report: dict[str, Any], pictures: Path) -> None:
    names = sorted(path.name for path in pictures.glob("*.png"))
    assert {"main-1920-dark-en.png", "capital-1280-light-ko.png"} <= set(names)
    for name in names:
        width = name.split("-")[1]
        assert png_size(pictures / name) == SIZES[width], name
        assert (pictures / name).stat().st_size > 10_000, f"{name} is empty"


def test_the_end_of_the_screen_that_started_it_is_the_end_of_the_engine(
    report: dict[str, Any], module_home: Home
) -> None:
    assert not any_of(module_home)
    assert list((module_home.data_dir / "run").glob("*.json")) == []


def test_the_logs_hold_no_fault_and_no_key(report: dict[str, Any], module_home: Home) -> None:
    keys = json.loads((module_home.data_dir / "storage" / "demo_exchange_keys.json").read_text())
    for file in (module_home.data_dir / "logs").iterdir():
        text = file.read_text(encoding="utf-8")
        assert " ERROR " not in text, file
        assert "Traceback" not in text, file
        assert keys["api_secret"] not in text


def test_screens_are_killed_and_nothing_is_missed(home: Home) -> None:
    rng = random.Random(5)
    screen = home.start("screen", *FAST)
    runtime = home.wait_for_engine(screen)
    exchange, first_ms = home.books(), home.demo().market_anchor_ms
    with home.attach() as witness:
        start = witness.until(lambda s: has_reconciled(s) and len(running_bots(s)) == 2)
        for _ in range(SCREEN_KILLS):
            wait_until_attached(runtime.port, screen.pid)
            time.sleep(rng.uniform(0.0, 0.5))
            screen.kill()
            witness.next_snapshot()
            screen = home.start("screen", *FAST)
        screen.kill()
        end = witness.next_snapshot()
        assert witness.runtime.pid == runtime.pid
        assert end.unhandled_exceptions == 0
        assert running_bots(end) == running_bots(start)
        passed = end.market_time_ms // FIFTEEN_MIN_MS - start.market_time_ms // FIFTEEN_MIN_MS
        closed = end.bots[0].candles_closed - start.bots[0].candles_closed
        assert abs(closed - passed) <= 1, "a bar may be on its way at both ends"
        numbers = [item.seq for item in witness.feed]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        wait_for_agreement(witness, exchange, timeout_s=20)
        orders_of_ours(exchange)

        bars = {"BTCUSDT": exchange.candles("BTCUSDT", first_ms, 2**42)}
        file = home.folder / "report.json"
        again = home.run("screen", *FAST, "--for", "5", "--report", str(file))
        assert (again.code, again.err) == (0, ""), screen_log(home)
        figures = json.loads(file.read_text())
        assert figures["qt_warnings"] == 0
        assert figures["unhandled_exceptions"] == 0
        assert figures["chart_s"] is not None
    # it was started by a screen, so the screen that ended in order has ended it
    wait_until(lambda: not psutil.pid_exists(runtime.pid), "the engine has ended")
    assert_candles_are_whole(home.data_dir, bars, at_least=5)


def test_an_engine_started_without_a_screen_outlives_its_visitors(home: Home) -> None:
    engine = home.start_engine(*FAST)
    visit = home.run("screen", "--demo", "--for", "3")
    assert (visit.code, visit.err) == (0, "")
    with home.attach() as witness:
        assert witness.attached.engine_pid == engine.pid
        witness.until(lambda s: bool(running_bots(s)))
    assert engine.terminate() == 0, engine.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no batch processes")
def test_the_screen_interrupts_nobody_and_the_engine_that_it_starts_may(home: Home) -> None:
    screen = home.start("screen", *FAST)
    engine = home.wait_for_engine(screen)
    assert policies(screen.pid) == {os.SCHED_BATCH}
    assert policies(engine.pid) == {os.SCHED_OTHER}


def policies(pid: int) -> set[int]:
    """Of all its threads."""
    return {os.sched_getscheduler(thread.id) for thread in psutil.Process(pid).threads()}


def test_a_run_too_short_to_reach_its_engine_leaves_none_behind(home: Home) -> None:
    home.run("screen", *FAST, "--for", "0.3")
    wait_until(lambda: not any_of(home), "nothing runs", 15)


def any_of(home: Home) -> bool:
    return any(_is_of(process, home) for process in psutil.process_iter(["cmdline"]))


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A screen whose engine was killed under it, at its end."""
    home = Home(tmp_path_factory.mktemp("left_alone"))
    screen = home.start("screen", *FAST, "--for", "12")
    runtime = home.wait_for_engine(screen)
    wait_until_attached(runtime.port, screen.pid)
    psutil.Process(runtime.pid).kill()
    screen.wait()
    yield screen
    home.end_everything()


def test_a_screen_outlives_its_engine(left_alone: Running) -> None:
    assert "Traceback" not in left_alone.err
    assert left_alone.err.startswith("TwinStar Quantum: ")
    assert left_alone.process.returncode != 0


def test_a_screen_whose_engine_was_killed_ends_with_one_sentence(left_alone: Running) -> None:
    assert left_alone.err.count("\n") == 1
    assert left_alone.process.returncode == EXIT_FAULT


def wait_until_attached(port: int, pid: int) -> None:
    """Until that process has a connection to the engine's link."""
    process = psutil.Process(pid)

    def is_attached() -> bool:
        connections = process.net_connections("tcp")
        return any(
            c.raddr and c.raddr.port == port and c.status == "ESTABLISHED" for c in connections
        )

    wait_until(is_attached, "the screen is attached", 60)


def screen_log(home: Home) -> str:
    """What to read when a screen has ended with a fault."""
    return (home.data_dir / "logs" / "screen.log").read_text(encoding="utf-8")


def _is_of(process: psutil.Process, home: Home) -> bool:
    return str(home.data_dir) in (process.info["cmdline"] or [])
