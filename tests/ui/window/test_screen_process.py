"""The screen as a process: an engine that cannot start is said in its own words, with its code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.end_to_end
def test_a_bad_configuration_ends_a_timed_run_with_the_engines_sentence(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("[[accounts]\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "app", "--config", str(config), "--data-dir", str(tmp_path / "d"),
            "--for", "20",
        ],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "TwinStar Quantum: " in done.stderr
    assert "bad.toml" in done.stderr


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_data_directory_that_is_a_file_is_refused_before_the_window(tmp_path: Path) -> None:
    wrong = tmp_path / "file"
    wrong.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "app", "--data-dir", str(wrong), "--for", "5"],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 6
    assert "choose another with --data-dir" in done.stderr


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_headless_engine_survives_its_visitor(tmp_path: Path) -> None:
    words = ["--demo", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    engine = subprocess.Popen(
        [sys.executable, "-m", "app", "engine", *words], cwd=ROOT, env=environment
    )
    try:
        deadline_s = time.monotonic() + 30
        while not (tmp_path / "run" / "engine.json").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        report = tmp_path / "visit.json"
        visit = subprocess.run(
            [sys.executable, "-m", "app", *words, "--for", "4", "--report", str(report)],
            cwd=ROOT, env=environment, timeout=60, check=False,
        )  # fmt: skip
        figures = json.loads(report.read_text(encoding="utf-8"))
        assert visit.returncode == 0
        assert engine.poll() is None
        assert figures["window_s"] < figures["live_chart_s"]
        assert (tmp_path / "run" / "last_chart.bin").exists()
        assert not (tmp_path / "run" / "screen.lock").exists()  # the next one is told of no crash
    finally:
        engine.terminate()
        engine.wait(30)


@pytest.mark.end_to_end
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_engine_that_had_no_time_to_answer_is_not_left_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "--demo", "--data-dir", str(tmp_path), "--for", "0.1"],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    pid_of_engine = re.search(r"pid=(\d+)", (tmp_path / "screen.ini").read_text(encoding="utf-8"))
    assert pid_of_engine is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_of_engine[1]), 0)
