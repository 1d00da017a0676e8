"""From a bare Python to the running program, with the standard library only.

Makes `.venv` beside the program, installs the hash-locked wheels into it (by `uv` where it is on
the PATH, else by pip), and hands over to `python -m app`. A stamp says what the environment was
made from; anything different makes it anew. Every obstacle is one line with its remedy.

Exit codes: 2 something must be installed or repaired first, 3 wrong Python.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXIT_SETUP = 2
EXIT_PYTHON = 3
NEEDED_DISK_BYTES = 2 * 1024**3
LOCK_TIMEOUT_S = 900
POISON = ("PYTHONHOME", "PYTHONPATH", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH")
SETUP_WORDS = ("--setup-only", "--reset", "--offline")

# What Qt's wheels expect of a Linux system: library -> Debian/Ubuntu package. The one such list.
QT_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
QT_X11_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


class Obstacle(Exception):
    """The program cannot be set up: one line with the remedy, and the exit code."""

    def __init__(self, text: str, exit_code: int = EXIT_SETUP) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def main(arguments: list[str]) -> int:
    """Set up what is missing, then become the program. Returns an exit code on failure only
    (on POSIX the process is replaced)."""
    own = [word for word in arguments if word in SETUP_WORDS]
    rest = [word for word in arguments if word not in SETUP_WORDS]
    command = next((word for word in rest if not word.startswith("-")), "screen")
    try:
        check_machine()
        if command in ("screen", "test"):
            check_qt_libraries(needs_display=command == "screen")
        environment = Environment(environment_home(), lock_file(command))
        environment.prepare(reset="--reset" in own, offline="--offline" in own)
    except Obstacle as obstacle:
        print(f"TwinStar Quantum: {obstacle}", file=sys.stderr)
        return obstacle.exit_code
    if "--setup-only" in own:
        return 0
    return launch(environment.python, rest)


def check_machine() -> None:
    """Python build, machine, libc. Raises Obstacle."""
    if sys.maxsize < 2**32:
        raise Obstacle("this is a 32-bit Python; install a 64-bit one from python.org", EXIT_PYTHON)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Obstacle("this is a free-threaded Python; use the ordinary build", EXIT_PYTHON)
    machine = platform.machine().lower()
    if sys.platform == "win32" and machine == "arm64":
        raise Obstacle("Windows on ARM needs the x64 Python from python.org", EXIT_PYTHON)
    if sys.platform == "darwin" and machine == "x86_64":
        raise Obstacle(
            "Intel Macs (or a Python under Rosetta) are not supported: some libraries have no "
            "wheels for them; use an arm64 Python on Apple silicon",
            EXIT_PYTHON,
        )
    if sys.platform.startswith("linux"):
        library, version = platform.libc_ver()
        oldest = (2, 39) if machine in ("aarch64", "arm64") else (2, 34)
        if library != "glibc" or tuple(int(n) for n in version.split(".")[:2]) < oldest:
            raise Obstacle(
                f"this system has {library or 'no glibc'} {version}; Qt needs glibc "
                f"{oldest[0]}.{oldest[1]} or newer (Debian 12, Ubuntu 22.04, Fedora 35 or later)"
            )


def check_qt_libraries(*, needs_display: bool) -> None:
    """Probe what Qt would look for; its own message names the wrong library. Raises Obstacle."""
    if not sys.platform.startswith("linux"):
        return
    needs_window = needs_display and not os.environ.get("QT_QPA_PLATFORM")
    has_x11 = bool(os.environ.get("DISPLAY"))
    if needs_window and not has_x11 and not os.environ.get("WAYLAND_DISPLAY"):
        raise Obstacle(
            "no screen found (DISPLAY is not set); run it in a desktop session, or trade "
            "without a screen: python run.py engine --demo --autostart"
        )
    missing = missing_packages(
        QT_LIBRARIES | (QT_X11_LIBRARIES if needs_window and has_x11 else {})
    )
    if missing:
        raise Obstacle(
            "Qt needs system libraries that are missing; install them with: sudo apt install "
            f"--no-install-recommends {' '.join(missing)}"
        )


def missing_packages(libraries: dict[str, str]) -> list[str]:
    """Packages of those libraries that this system cannot load."""
    return sorted({package for name, package in libraries.items() if not _can_load(name)})


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def lock_file(command: str) -> Path:
    """Tests bring their tools; everyone else gets the product alone (if it is not there yet)."""
    development = ROOT / "requirements-dev.lock"
    if command == "test" or _stamp_matches(environment_home(), development):
        return development
    return ROOT / "requirements.lock"


def environment_home() -> Path:
    """`.venv` beside the program, or in the user's data folder where that is read-only."""
    if os.access(ROOT, os.W_OK):
        return ROOT / ".venv"
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_DATA_HOME")
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    return Path(base or Path.home() / ".local" / "share") / "twinstar-quantum" / f"venv-{name}"


def _stamp(home: Path, lock: Path) -> str:
    """What an environment was made from. Environments do not survive moving, so the path counts."""
    parts = (
        hashlib.sha256(lock.read_bytes()).hexdigest(),
        sys.implementation.cache_tag or "",
        platform.machine(),
        str(home),
    )
    return "\n".join(parts)


def _stamp_matches(home: Path, lock: Path) -> bool:
    try:
        return (home / "twinstar.stamp").read_text(encoding="utf-8") == _stamp(home, lock)
    except OSError:
        return False


class Environment:
    """The virtual environment of one checkout."""

    def __init__(self, home: Path, lock: Path) -> None:
        self.home = home
        self.lock = lock
        folder, name = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
        self.python = home / folder / name

    def prepare(self, *, reset: bool, offline: bool) -> None:
        """Make it, if it is not there or was made from something else. Raises Obstacle."""
        if not reset and self.python.exists() and _stamp_matches(self.home, self.lock):
            return
        with _OneInstaller(self.home.with_name(self.home.name + ".lock")):
            if not reset and self.python.exists() and _stamp_matches(self.home, self.lock):
                return
            self._make(reset=reset, offline=offline)

    def _make(self, *, reset: bool, offline: bool) -> None:
        if not self.lock.exists():
            raise Obstacle(f"{self.lock.name} is missing; this checkout is not complete")
        self.home.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.home.parent).free
        if free < NEEDED_DISK_BYTES:
            raise Obstacle(f"{free / 1024**3:.1f} GB free on this disk; the set-up needs 2 GB")
        started = time.monotonic()
        print("Setting up TwinStar Quantum (once, a minute or so) ...", file=sys.stderr)
        stamp = self.home / "twinstar.stamp"
        stamp.unlink(missing_ok=True)
        if reset or not self._is_usable():
            self._create()
        self._install(offline=offline)
        stamp.write_text(_stamp(self.home, self.lock), encoding="utf-8")
        print(f"Set up in {time.monotonic() - started:.0f} s.", file=sys.stderr)

    def _is_usable(self) -> bool:
        """Made by this very Python, in this very place."""
        config = self.home / "pyvenv.cfg"
        if not (self.python.exists() and config.exists()):
            return False
        probe = subprocess.run(
            [self.python, "-c", "import sys; print(sys.prefix); print(sys.version)"],
            capture_output=True,
            text=True,
            check=False,
        )
        return probe.stdout.splitlines()[:2] == [str(self.home), sys.version.splitlines()[0]]

    def _create(self) -> None:
        if self.home.exists():
            if not (self.home / "pyvenv.cfg").exists() and any(self.home.iterdir()):
                raise Obstacle(f"{self.home} is there but is no environment; move it away first")
            shutil.rmtree(self.home)
        try:
            with_pip = _uv() is None
            venv.EnvBuilder(with_pip=with_pip, symlinks=os.name == "posix").create(self.home)
        except (subprocess.CalledProcessError, OSError) as fault:
            raise Obstacle(
                f"Python could not make an environment ({fault}); on Debian and Ubuntu: "
                "sudo apt install python3-venv"
            ) from None

    def _install(self, *, offline: bool) -> None:
        uv = _uv()
        if uv is not None and self._run_uv(uv, offline=offline):
            return
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
            ensure = [str(self.python), "-m", "ensurepip"]
            if subprocess.run(ensure, capture_output=True, check=False).returncode:
                raise Obstacle("this Python has no pip; Debian: sudo apt install python3-venv")
        words = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--no-deps"]
        finished = subprocess.run(
            [*pip, *words, *_wheel_source(offline=offline), "-r", str(self.lock)],
            env=clean_environment(),
            check=False,
        )
        if finished.returncode:
            raise Obstacle(
                "the libraries could not be installed (see above); check the network or proxy "
                "(HTTPS_PROXY), or put the wheels into wheelhouse/ and add --offline"
            )

    def _run_uv(self, uv: str, *, offline: bool) -> bool:
        """False when uv could not: it may not know of pip's own index or proxy settings."""
        words = ["pip", "sync", "--quiet", "--require-hashes", "--only-binary", ":all:"]
        command = [uv, *words, "--python", str(self.python), *_wheel_source(offline=offline)]
        environment = clean_environment()
        if "PIP_INDEX_URL" in environment:
            environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
        finished = subprocess.run(
            [*command, str(self.lock)], env=environment, capture_output=True, check=False
        )
        return finished.returncode == 0


def _uv() -> str | None:
    """A `uv` that works: a shim of a version manager may stand on the PATH and lead nowhere."""
    uv = shutil.which("uv")
    if uv is None:
        return None
    probe = subprocess.run([uv, "--version"], capture_output=True, check=False)
    return uv if probe.returncode == 0 else None


def _wheel_source(*, offline: bool) -> list[str]:
    wheelhouse = ROOT / "wheelhouse"
    words = ["--find-links", str(wheelhouse)] if wheelhouse.is_dir() else []
    return [*words, "--no-index"] if offline else words


class _OneInstaller:
    """Two first starts at once: the second waits. A folder is made by one process only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                self._path.mkdir()
            except FileExistsError:
                if self._is_abandoned():
                    self._remove()
                elif time.monotonic() > deadline:
                    raise Obstacle(f"another set-up seems stuck; remove {self._path}") from None
                else:
                    time.sleep(0.2)
                continue
            (self._path / "pid").write_text(str(os.getpid()))
            return

    def __exit__(self, *exc_info: object) -> None:
        self._remove()

    def _is_abandoned(self) -> bool:
        try:
            pid = int((self._path / "pid").read_text())
        except (OSError, ValueError):
            return False  # just being made
        if sys.platform == "win32":
            return False  # os.kill would end the process there; the time-out has to do
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def clean_environment() -> dict[str, str]:
    """Without what other Pythons and Qts (conda's, say) leave behind."""
    environment = {key: value for key, value in os.environ.items() if key not in POISON}
    environment["PYTHONUTF8"] = "1"
    return environment


def launch(python: Path, arguments: list[str]) -> int:
    """Become the program (POSIX), or run it and pass its exit code on (Windows)."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    command = [str(python), "-m", "app", *arguments]
    if os.name == "posix":  # on Windows, exec would detach from the console
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(python, command, environment)
    return subprocess.call(command, env=environment)
