from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.storage.instance_lock import AlreadyRunning, InstanceLock

ROOT = Path(__file__).resolve().parents[3]
HOLD = (
    "import sys; from pathlib import Path\n"
    "from core.storage.instance_lock import InstanceLock\n"
    "lock = InstanceLock(Path(sys.argv[1])); lock.acquire()\n"
    "print('held', flush=True); sys.stdin.read()\n"
)


@contextmanager
def _holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A real process that holds the lock until its stdin closes or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child


def test_second_process_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    with _holder(path) as child, pytest.raises(AlreadyRunning) as refusal:
        InstanceLock(path).acquire()
    assert refusal.value.pid == child.pid
    assert str(path) in str(refusal.value)


def test_lock_dies_with_its_killed_holder(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    with _holder(path) as child:
        child.kill()
        child.wait()
        lock = InstanceLock(path)
        lock.acquire()
        lock.release()


def test_lock_is_free_after_an_ordered_end(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    with _holder(path):
        pass
    lock = InstanceLock(path)
    lock.acquire()
    lock.release()


def test_released_lock_may_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "made" / "engine.lock"
    one, two = InstanceLock(path), InstanceLock(path)
    one.acquire()
    with pytest.raises(AlreadyRunning):
        two.acquire()
    one.release()
    two.acquire()
    two.release()
    two.release()


def test_refused_attempt_does_not_weaken_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    with _holder(path):
        for _ in range(3):
            with pytest.raises(AlreadyRunning):
                InstanceLock(path).acquire()


def test_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        InstanceLock(tmp_path / "file" / "engine.lock").acquire()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux")
def test_full_disk_is_not_taken_for_another_process() -> None:
    with pytest.raises(OSError, match=r"\[Errno 2(2|8)\]"):
        InstanceLock(Path("/dev/full")).acquire()
