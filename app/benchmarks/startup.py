"""How long a trader waits: from the command to the first window, and to its chart.

The rival is the design's stack: pandas, ccxt and pybit imported in the screen before it shows an
empty window. Both sides are whole processes of the same Python, run in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.benchmarks.measure import Row, interleaved
from app.options import ROOT

ROUNDS = 5
DESIGN_STACK = """
import os, time
import ccxt, pandas, pyarrow, pyqtgraph
import pybit.unified_trading
from PyQt6.QtWidgets import QApplication, QMainWindow
app = QApplication([])
window = QMainWindow(); window.setCentralWidget(pyqtgraph.PlotWidget())
window.show(); app.processEvents()
window.grab()
"""


def startup() -> list[Row]:
    """Seconds from process start: window shown and painted, chart painted, whole command."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shown: dict[str, list[float]] = {"window_s": [], "chart_s": []}
        medians = interleaved(
            ROUNDS,
            {
                "window": lambda: _screen(home, shown),
                "design": lambda: _timed([sys.executable, "-c", DESIGN_STACK]),
                "bootstrap": lambda: _timed([sys.executable, "run.py", "--setup-only"]),
            },
        )
        charts = sorted(shown["chart_s"][1:])
    rows = [Row("first_window", "s", medians["window"], {"design_stack": medians["design"]})]
    if charts:
        chart = charts[len(charts) // 2]
        rows.append(Row("first_chart", "s", chart, {"design_stack": medians["design"]}))
    rows.append(Row("bootstrap_check", "s", medians["bootstrap"], {}))
    return rows


def _environment() -> dict[str, str]:
    return os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True, capture_output=True)
    return time.perf_counter() - started


def _screen(home: Path, shown: dict[str, list[float]]) -> float:
    """One start of the real program on a used data directory; its own figures."""
    report = home / "report.json"
    command = [sys.executable, "-m", "app", "--demo", "--data-dir", str(home / "data")]
    command += ["--for", "2", "--report", str(report)]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True, capture_output=True)
    figures = json.loads(report.read_text())
    for name, values in shown.items():
        if figures.get(name) is not None:
            values.append(figures[name])
    return float(figures["window_s"])
