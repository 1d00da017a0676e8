"""What the doctor finds, on this machine and on ones that are not sound."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.doctor import Finding, examine, main
from app.options import EXIT_FAULT, EXIT_OK, Options
from core.storage.instance_lock import InstanceLock

ACCOUNT = '[[accounts]]\nname = "main"\nexchange = "bybit"\nmode = "{mode}"\nrest_url = "{url}"\n'
CLOSED = "http://127.0.0.1:1"  # nothing listens there: only root could


def findings(options: Options) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in examine(options):
        found.setdefault(finding.subject, []).append(finding)
    return found


def words(options: Options, subject: str) -> tuple[list[str], str]:
    of_it = findings(options).get(subject, [])
    return [finding.word for finding in of_it], " ".join(finding.text for finding in of_it)


def config_file(folder: Path, mode: str, url: str, more: str = "") -> Path:
    path = folder / "accounts.toml"
    path.write_text(ACCOUNT.format(mode=mode, url=url) + more)
    return path


@contextmanager
def exchange_clock(offset_ms: int) -> Iterator[str]:
    """An exchange that answers only what time it is; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now_ms = time.time_ns() // 1_000_000 + offset_ms
            body = json.dumps({"time": now_ms, "serverTime": now_ms}).encode()  # Bybit, Binance
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_sound_machine_has_a_line_for_each_subject_and_exit_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(Options(data_dir=tmp_path / "data")) == EXIT_OK
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "Everything that trading needs is there."
    told = [line.split(maxsplit=2) for line in lines]
    assert all(len(parts) == 3 and parts[0] in ("ok", "note") for parts in told)
    assert [parts[1] for parts in told] == [
        "python",
        "libraries",
        "screen",
        "disk",
        "keyring",
        "exchange",
    ]
    assert not (tmp_path / "data").exists(), "looking changes nothing"


def test_a_bad_configuration_is_a_fault_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[[accounts]\n")
    assert main(Options(data_dir=tmp_path / "data", config=path)) == EXIT_FAULT
    out = capsys.readouterr().out
    assert f"fault  config        {path}: not valid TOML" in out
    assert "ok     python" in out
    assert out.endswith("See the faults above.\n")


def test_a_data_directory_below_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = Options(data_dir=tmp_path / "file" / "data")
    word, text = words(options, "data")
    assert word == ["fault"]
    assert f"{tmp_path / 'file'} cannot be written" in text
    everything = [finding for of_one in findings(options).values() for finding in of_one]
    assert [finding for finding in everything if "Error" in finding.text] == []


def test_a_data_directory_where_nothing_can_be_made_is_a_fault() -> None:
    """The superuser passes every look at permissions; only trying tells."""
    if not Path("/proc").is_dir():
        pytest.skip("needs a file system that takes no files")
    word, text = words(Options(data_dir=Path("/proc/nowhere/data")), "data")
    assert word == ["fault"]
    assert "/proc cannot be written" in text


def test_a_data_directory_of_the_other_world_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "world.txt").write_text("real")
    word, text = words(Options(data_dir=tmp_path), "data")
    assert word == ["fault"]
    assert "holds a real world" in text


def test_a_running_engine_is_named(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "run" / "engine.lock")
    assert "none runs" in words(Options(data_dir=tmp_path), "engine")[1]
    lock.acquire()
    try:
        assert "runs on this data directory" in words(Options(data_dir=tmp_path), "engine")[1]
    finally:
        lock.release()


@pytest.mark.parametrize(("mode", "word"), [("paper", "note"), ("live", "fault")])
def test_an_exchange_out_of_reach_stops_only_real_money(
    tmp_path: Path, mode: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOC_API_KEY", "k")
    monkeypatch.setenv("DOC_API_SECRET", "s")
    config = config_file(tmp_path, mode, CLOSED, 'key = "env:DOC"\n')
    found, text = words(Options(data_dir=tmp_path / "data", config=config), "exchange")
    assert found == [word]
    assert f"bybit at {CLOSED} does not answer" in text
    assert main(Options(data_dir=tmp_path, config=config)) == (
        EXIT_FAULT if word == "fault" else EXIT_OK
    )


@pytest.mark.parametrize(("offset_ms", "word"), [(0, "ok"), (60_000, "note"), (-60_000, "note")])
def test_a_clock_that_is_off_is_told_with_its_remedy(
    tmp_path: Path, offset_ms: int, word: str
) -> None:
    with exchange_clock(offset_ms) as url:
        config = config_file(tmp_path, "paper", url)
        options = Options(data_dir=tmp_path / "data", config=config)
        found, text = words(options, "clock")
    assert found == [word]
    assert ("let the system set its time" in text) is (word == "note")
    told_ms = re.search(r"([+-]\d+) ms", text)
    assert told_ms is not None
    ours_minus_theirs_ms = int(told_ms[1]) * (1 if word == "note" else -1)
    assert abs(ours_minus_theirs_ms + offset_ms) < 500


@pytest.mark.parametrize("key", ["env:NOT_THERE", "vault:nothing"])
def test_a_key_that_is_not_there_is_a_fault_with_its_remedy(tmp_path: Path, key: str) -> None:
    config = config_file(tmp_path, "live", CLOSED, f'key = "{key}"\n')
    found, text = words(Options(data_dir=tmp_path / "data", config=config), "key")
    assert found == ["fault"]
    assert "NOT_THERE_API_KEY" in text or "keys set vault:nothing" in text


def test_a_key_that_is_there_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOC_API_KEY", "visible-key")
    monkeypatch.setenv("DOC_API_SECRET", "visible-secret")
    config = config_file(tmp_path, "paper", CLOSED, 'key = "env:DOC"\n')
    main(Options(data_dir=tmp_path / "data", config=config))
    out = capsys.readouterr().out
    assert "ok     key           env:DOC" in out
    assert "visible" not in out


def test_an_adapter_that_never_met_its_exchange_is_named(tmp_path: Path) -> None:
    with exchange_clock(offset_ms=9_000) as url:
        config = config_file(tmp_path, "paper", url)
        config.write_text(config.read_text().replace("bybit", "binance"))
        options = Options(data_dir=tmp_path / "data", config=config)
        found = findings(options)
    said = [(finding.word, finding.text) for finding in found["exchange"]]
    assert said[0][0] == "note"
    assert "Binance has never met the real exchange" in said[0][1]
    assert said[1] == ("ok", "binance answers")
    (clock,) = found["clock"]
    assert clock.word == "note"
