"""The screen as a process: an engine that cannot start is said in its own words, with its code."""

from __future__ import annotations

import os
import subprocess
import sys
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
