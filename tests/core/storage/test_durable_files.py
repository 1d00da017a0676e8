from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.storage.durable import replace_atomic, write_atomic

ROOT = Path(__file__).resolve().parents[3]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and signals")


def test_new_content_replaces_the_old_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "made" / "state.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_atomic(path, b"old")

    def write_half(temporary: Path) -> None:
        temporary.write_bytes(b"ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_atomic(path, write_half)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    faults: list[BaseException] = []

    def write(letter: bytes) -> None:
        try:
            for _ in range(20):
                write_atomic(path, letter * 50_000)
        except OSError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    content = path.read_bytes()
    assert len(content) == 50_000
    assert len(set(content)) == 1


@posix_only
@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_private_files_are_for_this_user_only(tmp_path: Path, private: bool, mode: int) -> None:
    old_mask = os.umask(0o022)
    try:
        path = tmp_path / "secret"
        write_atomic(path, b"x", private=private)
        assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(old_mask)


@posix_only
def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    script = (
        "import sys; from pathlib import Path; from core.storage.durable import write_atomic\n"
        "n = 0\n"
        "while True:\n"
        "    write_atomic(Path(sys.argv[1]), bytes([n % 256]) * 200_000)\n"
        "    print(n, flush=True)\n"
        "    n += 1\n"
    )
    for writes_before_kill in (1, 3, 10):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(writes_before_kill):
                acknowledged = int(child.stdout.readline())
            child.kill()
            rest = child.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged
        assert child.returncode == -signal.SIGKILL
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
        assert content[0] in (acknowledged % 256, (acknowledged + 1) % 256)
