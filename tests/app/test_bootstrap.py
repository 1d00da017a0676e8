"""The way from a bare Python: what it refuses, what it makes anew, what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import bootstrap
from app.bootstrap import Environment, Obstacle

ROOT = Path(__file__).resolve().parents[2]


def test_run_py_refuses_another_python_in_one_sentence(tmp_path: Path) -> None:
    """The real check, with only the version it sees replaced."""
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    script = tmp_path / "run.py"
    script.write_text(source.replace("sys.version_info[:2]", "(3, 14)"), encoding="utf-8")
    finished = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert finished.returncode == 3
    assert finished.stderr.count("\n") == 1
    assert "3.11, 3.12 or 3.13; this is 3.14" in finished.stderr


def test_run_py_has_no_syntax_of_newer_pythons() -> None:
    """Old interpreters must be able to read it: no f-string, walrus or annotation."""
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    compile(source, "run.py", "exec", dont_inherit=True)
    assert 'f"' not in source
    assert ":=" not in source
    assert "->" not in source
    assert source.isascii()


def test_an_old_glibc_is_named_with_the_systems_that_have_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap.platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: "x86_64")
    with pytest.raises(Obstacle, match=r"glibc 2\.31; Qt needs glibc 2\.34.*Debian 12") as obstacle:
        bootstrap.check_machine()
    assert obstacle.value.exit_code == 2


@pytest.mark.parametrize(
    ("system", "machine", "remedy"),
    [("win32", "ARM64", "x64 Python"), ("darwin", "x86_64", "arm64 Python")],
)
def test_a_machine_without_wheels_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, remedy: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
    with pytest.raises(Obstacle, match=remedy) as obstacle:
        bootstrap.check_machine()
    assert obstacle.value.exit_code == 3


def test_missing_system_libraries_become_one_apt_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(bootstrap, "QT_LIBRARIES", {"libnowhere.so.9": "libnowhere9"})
    with pytest.raises(Obstacle, match=r"sudo apt install .* libnowhere9"):
        bootstrap.check_qt_libraries(needs_display=True)


def test_no_display_names_the_way_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Obstacle, match=r"run\.py engine"):
        bootstrap.check_qt_libraries(needs_display=True)


def test_a_folder_that_is_no_environment_is_never_deleted(tmp_path: Path) -> None:
    home = tmp_path / ".venv"
    home.mkdir()
    precious = home / "my notes.txt"
    precious.write_text("keep me")
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    with pytest.raises(Obstacle, match="is no environment"):
        Environment(home, lock).prepare(reset=True, offline=True)
    assert precious.read_text() == "keep me"


def test_an_environment_is_made_once_and_anew_when_the_lock_changes(tmp_path: Path) -> None:
    """A real environment, in a folder with Hangul and a space; the lock is empty: no network."""
    home = tmp_path / "한글 경로" / ".venv"
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    environment = Environment(home, lock)
    environment.prepare(reset=False, offline=True)
    stamp = home / "twinstar.stamp"
    made_ns = stamp.stat().st_mtime_ns
    assert subprocess.run([environment.python, "-c", ""], check=False).returncode == 0

    environment.prepare(reset=False, offline=True)
    assert stamp.stat().st_mtime_ns == made_ns, "the second start installs nothing"

    lock.write_text("# another\n")
    environment.prepare(reset=False, offline=True)
    assert stamp.stat().st_mtime_ns != made_ns


def test_a_failed_install_leaves_no_stamp(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package-of-ours==1.0 --hash=sha256:" + "0" * 64 + "\n")
    environment = Environment(tmp_path / ".venv", lock)
    with pytest.raises(Obstacle, match="could not be installed"):
        environment.prepare(reset=False, offline=True)
    assert not (tmp_path / ".venv" / "twinstar.stamp").exists()
    assert "no-such-package-of-ours" in capfd.readouterr().err


def test_a_lock_of_a_dead_installer_is_taken_over(tmp_path: Path) -> None:
    stale = tmp_path / ".venv.lock"
    stale.mkdir()
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    (stale / "pid").write_text(dead.stdout.strip())
    with bootstrap._OneInstaller(stale):
        assert (stale / "pid").read_text() == str(os.getpid())
    assert not stale.exists()


def test_what_other_pythons_leave_behind_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/opt/conda")
    monkeypatch.setenv("QT_PLUGIN_PATH", "/opt/conda/plugins")
    environment = bootstrap.clean_environment()
    assert not {"PYTHONHOME", "QT_PLUGIN_PATH"} & environment.keys()
    assert environment["PYTHONUTF8"] == "1"
