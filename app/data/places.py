"""Which data directory a data command means, and who else is on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from app.options import EXIT_DATA_DIR, ROOT, StartError
from core.link_protocol import RuntimeFile
from core.market_data.candle_store import CandleStore, StoreFault

DEMO, REAL = "demo", "real"


def data_dir_of(parsed: argparse.Namespace) -> Path:
    """As named, else the product's own; unlike an engine's, it is the real one by default."""
    default = ROOT / "data" / "demo" if parsed.demo else ROOT / "data"
    given: Path | None = parsed.data_dir
    return (given or default).absolute()


def world_of(data_dir: Path) -> str:
    """What the directory was made for, "" for a new one."""
    try:
        return (data_dir / "storage" / "world.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@contextmanager
def open_store(data_dir: Path) -> Iterator[CandleStore]:
    """The candle store of the directory. A fault of the disk becomes a StartError."""
    try:
        store = CandleStore(data_dir / "cache")
        try:
            yield store
        finally:
            store.close()
    except StoreFault as fault:
        raise StartError(str(fault).rstrip("."), EXIT_DATA_DIR) from None


def engine_pid(data_dir: Path) -> int | None:
    """The process of the engine that runs on this directory, None when none does."""
    try:
        content = (data_dir / "run" / "engine.json").read_bytes()
        pid = msgspec.json.decode(content, type=RuntimeFile).pid
    except (OSError, msgspec.DecodeError):
        return None
    return pid if psutil.pid_exists(pid) else None
