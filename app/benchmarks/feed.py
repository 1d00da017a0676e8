"""From the exchange's socket write to a strategy's callback, beside pybit and ccxt.pro.

A server process on loopback writes Bybit ticker deltas of 50 or 1000 symbols, ten a second each;
the three clients receive them in processes of their own, in turn, `ROUNDS` times, and the figures
are medians. Latency runs from just before the server's `sendall` to the callback's first line;
the CPU share is the client process's. In the flood the server sends 50 symbols' frames as fast as
they are taken: messages parsed and merged a second, as microseconds a message. That is more than
a listener can follow, and then ours hands on the newest of each symbol: how many is among the
references, and so is the figure with every single tick handed on.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable

from app.benchmarks.measure import Row
from app.options import ROOT

ROUNDS = 3
PACED_WINDOW_S = 4.0
FLOOD_WINDOW_S = 3.0
PER_SECOND = 10
FLOOD_SYMBOLS = 50
CLIENT_TIMEOUT_S = 120
RIVALS = ("pybit", "ccxt_pro")
Figures = dict[str, float]


def feed() -> list[Row]:
    few = _measured("paced", 50, ("ours", *RIVALS))
    many = _measured("paced", 1000, ("ours", *RIVALS))
    flood = _measured("flood", FLOOD_SYMBOLS, ("ours", "ours_every_tick", *RIVALS))
    return [
        _latency_row("p99_50", few),
        _latency_row("p99_1000", many),
        _flood_row("flood_pybit", flood, "pybit"),
        _flood_row("flood_ccxt", flood, "ccxt_pro"),
    ]


def _measured(mode: str, symbols: int, sides: Iterable[str]) -> dict[str, Figures]:
    """Median of each side's figures."""
    runs: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, found in runs.items():
            found.append(_run(side, mode, symbols))
    return {
        side: {name: statistics.median(run[name] for run in found) for name in found[0]}
        for side, found in runs.items()
    }


def _latency_row(name: str, sides: dict[str, Figures]) -> Row:
    return Row(
        name,
        "ms",
        sides["ours"]["p99_ms"],
        {side: figures["p99_ms"] for side, figures in sides.items() if side != "ours"},
        {
            f"{side}_{figure}": figures[figure]
            for figure in ("p50_ms", "cpu_ratio", "callbacks_per_s")
            for side, figures in sides.items()
        },
    )


def _flood_row(name: str, sides: dict[str, Figures], rival: str) -> Row:
    return Row(
        name,
        "us",
        1e6 / sides["ours"]["messages_per_s"],
        {rival: 1e6 / sides[rival]["messages_per_s"]},
        {
            "ours_messages_per_s": sides["ours"]["messages_per_s"],
            "ours_every_tick_per_s": sides["ours_every_tick"]["messages_per_s"],
            "ours_callbacks_per_s": sides["ours"]["callbacks_per_s"],
            f"{rival}_messages_per_s": sides[rival]["messages_per_s"],
        },
    )


def _run(side: str, mode: str, symbols: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": folder}
        window_s = FLOOD_WINDOW_S if mode == "flood" else PACED_WINDOW_S
        server = _process(environment, "feed_server", symbols, mode, PER_SECOND)
        try:
            port = _first_line(server)
            client = _process(environment, "feed_clients", side, port, symbols, mode, window_s)
            try:
                figures: Figures = json.loads(_first_line(client))
                return figures
            finally:
                client.kill()
                client.wait()
        finally:
            server.kill()
            server.wait()


def _process(environment: dict[str, str], module: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"app.benchmarks.{module}", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _first_line(process: subprocess.Popen[str]) -> str:
    """Raises RuntimeError when the process ends, or CLIENT_TIMEOUT_S pass, without a word."""
    assert process.stdout is not None
    watch = threading.Timer(CLIENT_TIMEOUT_S, process.kill)
    watch.start()
    try:
        line = process.stdout.readline().strip()
    finally:
        watch.cancel()
    if not line:
        raise RuntimeError(f"nothing came from {process.args!r}")
    return line
