"""How long a trader waits: from the command to the window, to a chart, to a live chart.

The rival is the design's stack: pandas, ccxt and pybit imported in the screen's own process, a
window of PyQt6, and 1,000 candles read from Parquet and drawn by pyqtgraph; no engine, no
exchange, no theme. Both sides are whole processes of this Python, run in turn, and say themselves
how old they were when their window and their chart had been painted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from app.benchmarks.measure import Row
from app.options import ROOT

ROUNDS = 4
_RUN_S = 8  # long enough for a live chart on a busy machine
_FIGURES = ("window_s", "chart_s", "live_chart_s")
_DESIGN_STACK = """
import sys
import ccxt, pandas, pyqtgraph
import pybit.unified_trading
from PyQt6.QtWidgets import QApplication, QMainWindow
from app.process_age import process_age_s
app = QApplication([])
window, plot = QMainWindow(), pyqtgraph.PlotWidget()
window.setCentralWidget(plot)
window.resize(1600, 940)
window.show()
window.repaint()
window_s = process_age_s()
candles = pandas.read_parquet(sys.argv[1])
for name in ("open", "high", "low", "close"):
    plot.plot(candles[name].to_numpy())
plot.repaint()
print(window_s, process_age_s())
"""
_CANDLES = """
import sys
import numpy, pandas
walk = 67_000 + numpy.random.default_rng(1).normal(0, 50, 1000).cumsum()
names = ("open", "high", "low", "close", "volume")
pandas.DataFrame({name: walk for name in names}).to_parquet(sys.argv[1])
"""
_BOOTSTRAP = """
from app import bootstrap
bootstrap.check_machine()
bootstrap.check_qt_libraries(needs_display=True)
bootstrap.lock_file("screen")
from app.process_age import process_age_s
print(process_age_s())
"""


def startup() -> list[Row]:
    """Seconds since the process was made; the first start of all, and a usual one."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        candles = home / "candles.parquet"
        _python(_CANDLES, str(candles))
        usual, first, design, checks = [], [], [], []
        for number in range(ROUNDS + 1):
            first.append(_screen(home / f"first-{number}"))
            usual.append(_screen(home / "usual"))
            design.append(_design(candles))
            checks.append({"age_s": float(_python(_BOOTSTRAP))})
        mine = {name: _median(usual, name) for name in usual[0]}
        rival = {name: _median(design, name) for name in design[0]}
        return [
            Row("first_window", "s", mine["window_s"], {"design_stack": rival["window_s"]}),
            Row("first_chart", "s", mine["chart_s"], {"design_stack": rival["chart_s"]}),
            Row("live_chart", "s", mine["live_chart_s"], {}),
            Row("very_first_window", "s", _median(first, "window_s"), {}),
            Row("very_first_live_chart", "s", _median(first, "live_chart_s"), {}),
            Row("bootstrap_check", "s", _median(checks, "age_s"), {}),
        ]


def first_window() -> Row:
    """The window alone, for a benchmark of the screen: no engine has to answer for it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        candles = home / "candles.parquet"
        _python(_CANDLES, str(candles))
        mine, design = [], []
        for _ in range(ROUNDS):
            mine.append(_screen(home / "usual", ("window_s",)))
            design.append(_design(candles))
        rivals = {"design_stack": _median(design, "window_s")}
        return Row("first_window", "s", _median(mine, "window_s"), rivals)


def _median(runs: list[dict[str, float]], name: str) -> float:
    """Without the first round: it warms the disk's cache up and gives `usual` its last chart."""
    return statistics.median(run[name] for run in runs[1:])


def _python(code: str, *words: str) -> str:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def _design(candles: Path) -> dict[str, float]:
    window_s, chart_s = _python(_DESIGN_STACK, str(candles)).split()
    return {"window_s": float(window_s), "chart_s": float(chart_s)}


def _screen(data_dir: Path, names: tuple[str, ...] = _FIGURES) -> dict[str, float]:
    """One run of the real program, its engine and its demo exchange; its own figures."""
    report = data_dir.with_name(f"{data_dir.name}.json")
    command = (
        "import sys; from app.cli import main; sys.exit(main(sys.argv[1:]))",
        "--demo", "--data-dir", str(data_dir), "--for", str(_RUN_S), "--report", str(report),
    )  # fmt: skip
    _python(*command)
    figures = json.loads(report.read_text(encoding="utf-8"))
    shown = {name: figures[name] for name in names}
    if None in shown.values():
        raise RuntimeError(f"no live chart within {_RUN_S} s: {shown}; is this machine busy?")
    return shown
