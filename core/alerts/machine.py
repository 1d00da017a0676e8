"""How busy the machine is, for the health watch."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from core.alerts.health_watch import MachineLoad


def measure_machine(data_dir: Path) -> MachineLoad:
    """The processors' share is of the time since the last call."""
    disk = shutil.disk_usage(data_dir)
    return MachineLoad(
        cpu=psutil.cpu_percent(None) / 100,
        memory=psutil.virtual_memory().percent / 100,
        disk=disk.used / disk.total,
    )
