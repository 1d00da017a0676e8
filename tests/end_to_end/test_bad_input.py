"""Whatever cannot be started says why in one sentence, leaves nothing running and loses nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from program import Finished, Home

from app.options import (
    EXIT_ALREADY_RUNNING,
    EXIT_DATA_DIR,
    EXIT_PORT_TAKEN,
    EXIT_USAGE,
)

pytestmark = pytest.mark.end_to_end
DEMO = '[[accounts]]\nname = "demo"\nexchange = "bybit"\nmode = "demo"\n'
LIVE = """[[accounts]]
name = "main"
exchange = "bybit"
mode = "live"
key = "env:TWINSTAR_E2E"
rest_url = "http://{host}"
ws_public_url = "ws://{host}/v5/public/linear"
ws_private_url = "ws://{host}/v5/private"
"""
BOT = '\n[[bots]]\naccount = "demo"\nsymbol = "BTCUSDT"\n'


class Case(NamedTuple):
    config: str
    told: str


CONFIGS = {
    "unknown exchange": Case(
        DEMO.replace("bybit", "bybbit"), "line 3: unknown exchange 'bybbit'; did you mean 'bybit'?"
    ),
    "malformed": Case("[[accounts]\n", "not valid TOML: Expected ']]'"),
    "empty": Case("", "no [[accounts]] in it"),
    "negative leverage": Case(
        DEMO + "leverage = -3\n", "line 5: leverage is -3; it must be from 1 to 100"
    ),
    "key in clear": Case(
        DEMO + 'key = "abcdef"\n', "line 5: key must be a reference: keyring:NAME, vault:NAME"
    ),
    "unknown symbol": Case(
        DEMO + BOT.replace("BTCUSDT", "BTCUSTD"),
        "bybit has no symbol BTCUSTD. Did you mean BTCUSDT?",
    ),
    "unknown strategy": Case(
        DEMO + BOT + 'strategy = "macd_rsi"\n',
        "line 9: unknown strategy 'macd_rsi'; did you mean 'macd_rsi_trend'?",
    ),
    "unknown key": Case(
        DEMO + BOT + 'symbl = "X"\n', "line 9: unknown key 'symbl'; did you mean 'symbol'?"
    ),
    "live without key": Case(
        LIVE.replace('key = "env:TWINSTAR_E2E"\n', ""), "line 4: mode live needs a key reference"
    ),
    "key that is not there": Case(
        LIVE, "set the variables TWINSTAR_E2E_API_KEY and TWINSTAR_E2E_API_SECRET"
    ),
}


def leaves_nothing_running(home: Home) -> bool:
    """No process of this directory, and no word of one."""
    own = str(home.data_dir)
    left = [p for p in psutil.process_iter(["cmdline"]) if own in (p.info["cmdline"] or [])]
    words = [*home.data_dir.glob("run/*.json"), *home.data_dir.glob("run/*.started_by_engine")]
    return not left and not words


def check(home: Home, finished: Finished, code: int, told: str) -> None:
    assert told in finished.sentence
    assert "Traceback" not in finished.err
    assert (finished.code, finished.out) == (code, "")
    assert leaves_nothing_running(home)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_bad_configuration_names_its_fault(home: Home, name: str) -> None:
    config = home.folder / "bots.toml"
    config.write_text(CONFIGS[name].config)
    finished = home.run("engine", "--config", str(config), "--for", "1")
    check(home, finished, EXIT_USAGE, CONFIGS[name].told)


def test_a_symbol_that_was_wrong_once_is_forgotten_when_it_is_right(home: Home) -> None:
    config = home.folder / "bots.toml"
    config.write_text(CONFIGS["unknown symbol"].config)
    assert home.run("engine", "--config", str(config)).code == EXIT_USAGE
    config.write_text(DEMO + BOT)
    home.start_engine("--config", str(config))
    with home.attach() as screen:
        snapshot = screen.until(lambda s: [b.symbol for b in s.bots] == ["BTCUSDT"])
        assert [bot.symbol for bot in snapshot.bots] == ["BTCUSDT"]
        told = [item.record for item in screen.attached.backlog + screen.feed]
        assert not [record for record in told if "BTCUSTD" in repr(record)]


@pytest.mark.parametrize("place", ["below a file", "a file", "proc"])
@pytest.mark.parametrize("command", ["engine", "demo-exchange", "screen"])
def test_a_data_directory_that_cannot_be_written(home: Home, command: str, place: str) -> None:
    file = home.folder / "file"
    file.write_text("somebody's work")
    folder = {"below a file": file / "data", "a file": file, "proc": Path("/proc/nowhere")}[place]
    finished = home.run(command, "--data-dir", str(folder), "--for", "1")
    assert str(folder) in finished.sentence
    assert (finished.code, finished.out) == (EXIT_DATA_DIR, "")
    assert file.read_text() == "somebody's work"


def test_a_port_that_is_taken(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = home.run("demo-exchange", "--port", str(port))
    check(home, finished, EXIT_PORT_TAKEN, f"Port {port} is taken by another program")


def test_candles_that_are_not_there(home: Home) -> None:
    finished = home.run("engine", "--candles", str(home.folder / "nothing"), "--for", "1")
    check(home, finished, EXIT_USAGE, f"Cannot replay {home.folder / 'nothing'}")


def test_options_of_the_demo_beside_real_accounts(home: Home) -> None:
    config = home.folder / "live.toml"
    config.write_text(LIVE.format(host="127.0.0.1:1"))
    words = ("engine", "--config", str(config), "--demo", "--speed", "60")
    finished = home.run(*words)
    check(home, finished, EXIT_USAGE, "--demo --speed belongs to the demo")
    assert not home.data_dir.exists()


def test_a_data_directory_of_the_other_world(home: Home) -> None:
    config = home.folder / "live.toml"
    config.write_text(LIVE.format(host="127.0.0.1:1"))
    (home.data_dir / "storage").mkdir(parents=True)
    (home.data_dir / "storage" / "world.txt").write_text("demo")
    variables = {"TWINSTAR_E2E_API_KEY": "key", "TWINSTAR_E2E_API_SECRET": "secret"}
    finished = home.run("engine", "--config", str(config), **variables)
    check(home, finished, EXIT_DATA_DIR, "holds a demo world, this is a real one")


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_a_key_that_the_exchange_refuses(home: Home, wrong: str) -> None:
    abroad = Home(home.folder / "exchange")
    try:
        abroad.start("demo-exchange")
        abroad.wait_for_demo()
        demo = abroad.demo()
        config = home.folder / "live.toml"
        config.write_text(LIVE.format(host=f"{demo.host}:{demo.port}"))
        secrets = {"key": demo.api_key, "secret": demo.api_secret} | {wrong: "not-this-one"}
        finished = home.run(
            "engine",
            "--config",
            str(config),
            TWINSTAR_E2E_API_KEY=secrets["key"],
            TWINSTAR_E2E_API_SECRET=secrets["secret"],
        )
        check(home, finished, EXIT_USAGE, "bybit: ")
        kept = finished.err + (home.data_dir / "logs" / "engine.log").read_text()
        assert demo.api_secret not in kept
    finally:
        abroad.end_everything()


@pytest.mark.parametrize("place", ["below a file", "a folder"])
def test_a_report_that_cannot_be_written_is_said_before_anything_starts(
    home: Home, place: str
) -> None:
    (home.folder / "file").touch()
    report = {"below a file": home.folder / "file" / "r.json", "a folder": home.folder}[place]
    finished = home.run("engine", "--demo", "--for", "2", "--report", str(report))
    check(home, finished, EXIT_USAGE, f"the report {report} cannot be written")


def test_a_damaged_database_is_named(home: Home) -> None:
    (home.data_dir / "storage").mkdir(parents=True)
    damaged = home.data_dir / "storage" / "engine.sqlite"
    damaged.write_bytes(b"this is no database" * 400)
    finished = home.run("engine", "--demo", "--for", "1")
    check(home, finished, EXIT_DATA_DIR, "cannot be used (file is not a database)")
    assert damaged.read_bytes() == b"this is no database" * 400


def test_a_second_engine_names_the_first_and_leaves_it_alone(home: Home) -> None:
    first = home.start_engine("--demo")
    second = home.run("engine", "--demo")
    assert second.code == EXIT_ALREADY_RUNNING
    assert f"an engine (process {first.pid}) runs on {home.data_dir} already" in second.sentence
    assert second.took_s <= 2.0
    with home.attach() as screen:
        assert screen.attached.engine_pid == first.pid

    first.kill()
    third = home.start_engine("--demo")
    with home.attach() as screen:
        assert screen.attached.engine_pid == third.pid
    assert third.terminate() == 0, third.err


def test_an_exchange_that_does_not_start_is_a_sentence_of_its_own(home: Home) -> None:
    """Its books belong to another market."""
    assert home.run("engine", "--demo", "--seed", "1", "--for", "1").code == 0
    finished = home.run("engine", "--demo", "--seed", "2", "--for", "1")
    check(home, finished, EXIT_USAGE, "the demo exchange did not start: ")
