"""How long this process has existed: start-up figures count from its birth, not from an import."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def process_age_s() -> float:
    """Seconds since the process was made, to about 10 ms.

    On Linux from the kernel's ticks: psutil adds them to a boot time in whole seconds there.
    """
    if platform.system() == "Linux":
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        born_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - born_s
    import psutil

    return time.time() - psutil.Process().create_time()
