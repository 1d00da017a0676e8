"""SIGTERM: everything is put away, and the next start goes on where this one ended."""

from __future__ import annotations

import signal
import sys
import time

import psutil
import pyarrow.parquet as pq
import pytest
from link_client import LinkClient
from program import Home, Running, wait_until

from app.options import EXIT_USAGE
from core.commands import Attach, GetCandles, StopEngine
from core.snapshots import BotState, EngineSnapshot, EngineState

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM"),
]
FAST = ("--demo", "--speed", "900")


def runs(snapshot: EngineSnapshot) -> bool:
    return snapshot.state is EngineState.RUNNING and all(
        bot.state is BotState.RUNNING for bot in snapshot.bots
    )


def trades(snapshot: EngineSnapshot) -> bool:
    return runs(snapshot) and snapshot.bots[0].candles_closed >= 3


def left_in_run(home: Home) -> list[str]:
    return sorted(p.name for p in (home.data_dir / "run").iterdir() if p.suffix != ".lock")


def assert_ended(home: Home, engine: Running, demo_pid: int) -> None:
    assert (engine.wait(), engine.err) == (0, "")
    assert left_in_run(home) == []
    assert not psutil.pid_exists(demo_pid)
    log = (home.data_dir / "logs" / "engine.log").read_text(encoding="utf-8")
    assert " ERROR " not in log
    assert "Traceback" not in log


def test_a_restart_brings_back_bots_capital_and_candles(home: Home) -> None:
    engine = home.start_engine(*FAST, "--autostart")
    demo_pid = home.demo().pid
    with home.attach() as screen:
        screen.until(trades)
        wallet = home.books().books().wallet
        instruments = len(screen.attached.instruments)
        engine.process.send_signal(signal.SIGTERM)
        assert_ended(home, engine, demo_pid)  # with this screen still on the line
    ended_with = pq.read_table(home.data_dir / "cache" / "bybit_btcusdt_15m.parquet")
    assert instruments == 50

    again = home.start_engine(*FAST)  # without --autostart: it ran before, so it runs again
    demo_pid = home.demo().pid
    with home.attach() as screen:
        snapshot = screen.until(trades)
        assert [bot.bot_id for bot in snapshot.bots] == ["btcusdt-15m", "multi-15m"]
        assert snapshot.capital is not None
        assert snapshot.capital.initial == 25_000
        assert abs(snapshot.capital.total - wallet) < 1_000  # it has traded meanwhile
        screen.until(lambda s: all(account.ledger_error == 0 for account in s.accounts))
    assert again.terminate() == 0
    assert_ended(home, again, demo_pid)
    ended_again = pq.read_table(home.data_dir / "cache" / "bybit_btcusdt_15m.parquet")
    first, second = (t["timestamp"].to_pylist() for t in (ended_with, ended_again))
    assert second[: len(first)] == first
    assert second == list(range(second[0], second[-1] + 1, 900_000))
    assert len(second) >= len(first) + 3


def test_a_screen_may_ask_for_the_end(home: Home) -> None:
    engine = home.start_engine(*FAST, "--autostart")
    demo_pid = home.demo().pid
    with home.attach() as screen:
        screen.until(trades)
        answer = screen.call(StopEngine())
        assert answer.ok
        assert_ended(home, engine, demo_pid)


def test_a_screen_that_does_not_read_cannot_hold_up_the_end(home: Home) -> None:
    engine = home.start_engine(*FAST, "--autostart")
    with home.attach() as screen:
        screen.until(trades)
    demo_pid, runtime = home.demo().pid, home.runtime()
    assert runtime is not None
    with LinkClient(runtime, receive_buffer_bytes=4096) as deaf:
        deaf.send(Attach(runtime.token))
        for _ in range(100):
            deaf.send(GetCandles("BTCUSDT", "15m", count=20_000))
        began_s = time.monotonic()
        engine.process.send_signal(signal.SIGTERM)
        assert_ended(home, engine, demo_pid)
        assert time.monotonic() - began_s < 15


def test_the_end_does_not_wait_for_the_start(home: Home) -> None:
    """At any moment of the start, imports included."""
    for delay_s in (0.05, 0.2, 0.4, 0.6, 0.9, 1.3):
        engine = home.start("engine", *FAST)
        time.sleep(delay_s)
        began_s = time.monotonic()
        code = engine.terminate()
        # before Python runs our first line the kernel's own answer to SIGTERM holds
        assert code in (0, -signal.SIGTERM), engine.err
        assert engine.err == ""
        assert time.monotonic() - began_s < 10
        if code == 0:
            assert left_in_run(home) == []


def test_a_new_engine_right_behind_the_old_one_gets_an_exchange_of_its_own(home: Home) -> None:
    for _ in range(3):
        engine = home.start_engine(*FAST)
        with home.attach() as screen:
            screen.until(runs_or_idle)
        assert engine.terminate() == 0, engine.err


def runs_or_idle(snapshot: EngineSnapshot) -> bool:
    return snapshot.state is EngineState.RUNNING


def test_an_engine_whose_exchange_dies_says_so_and_still_ends_in_order(home: Home) -> None:
    engine = home.start_engine(*FAST, "--autostart")
    with home.attach() as screen:
        screen.until(trades)
        demo = psutil.Process(home.demo().pid)
        demo.kill()

        def is_told(snapshot: EngineSnapshot) -> bool:
            (connection,) = snapshot.connections
            return "connected" not in (connection.public, connection.private)

        snapshot = screen.until(is_told)
        assert snapshot.unhandled_exceptions == 0
    assert engine.terminate() == 0, engine.err
    assert engine.err == ""


def test_an_exchange_started_by_hand_is_used_and_left_alone(home: Home) -> None:
    exchange = home.start("demo-exchange", "--speed", "900")
    home.wait_for_demo()
    engine = home.start_engine("--demo")
    with home.attach() as screen:
        assert screen.until(runs_or_idle).clock_rate == 900
    assert engine.terminate() == 0, engine.err
    assert home.demo().pid == exchange.pid

    refused = home.run("engine", "--demo", "--speed", "60")
    assert refused.code == 2
    assert f"(process {exchange.pid}) was started with another --speed" in refused.sentence
    assert exchange.terminate() == 0


def test_an_exchange_left_by_a_killed_engine_takes_the_new_ones_options(home: Home) -> None:
    engine = home.start_engine(*FAST, "--autostart")
    with home.attach() as screen:
        before = screen.until(trades)
    engine.kill()
    left_pid = home.demo().pid

    engine = home.start_engine("--demo", "--speed", "600")
    with home.attach() as screen:
        snapshot = screen.until(runs)
        assert snapshot.clock_rate == 600
        assert snapshot.market_time_ms >= before.market_time_ms
    wait_until(lambda: not psutil.pid_exists(left_pid), "the first exchange has ended")
    assert engine.terminate() == 0, engine.err
    assert left_in_run(home) == []


def test_an_engine_whose_directory_was_removed_takes_its_exchange_along(home: Home) -> None:
    engine = home.start_engine(*FAST)
    demo_pid = home.demo().pid
    with home.attach() as screen:
        screen.until(runs_or_idle)
    home.data_dir.rename(home.folder / "gone")
    engine.terminate()
    wait_until(lambda: not psutil.pid_exists(demo_pid), "the exchange has ended", 15)


UNREACHABLE = """[[accounts]]
name = "main"
exchange = "bybit"
mode = "live"
key = "env:TWINSTAR_E2E"
rest_url = "http://127.0.0.1:1"
ws_public_url = "ws://127.0.0.1:1/v5/public/linear"
ws_private_url = "ws://127.0.0.1:1/v5/private"
"""
KEY = {"TWINSTAR_E2E_API_KEY": "key", "TWINSTAR_E2E_API_SECRET": "secret"}


def test_an_engine_waits_for_an_exchange_out_of_reach_and_says_so(home: Home) -> None:
    config = home.folder / "live.toml"
    config.write_text(UNREACHABLE)
    engine = home.start_engine("--config", str(config), **KEY)
    with home.attach() as screen:
        snapshot = screen.until(lambda s: "Waiting for bybit" in s.connections[0].detail)
        assert snapshot.state is EngineState.RECONCILING
        assert snapshot.unhandled_exceptions == 0
    began_s = time.monotonic()
    assert (engine.terminate(), engine.err) == (0, "")
    assert time.monotonic() - began_s < 10


def test_a_timed_run_ends_even_if_the_exchange_never_answers(home: Home) -> None:
    config = home.folder / "live.toml"
    config.write_text(UNREACHABLE)
    finished = home.run("engine", "--config", str(config), "--for", "2", timeout_s=30, **KEY)
    assert finished.code == EXIT_USAGE
    assert "nothing was traded in 2 s: Waiting for bybit" in finished.sentence
