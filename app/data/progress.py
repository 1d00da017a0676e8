"""A download on a terminal: one line that moves; elsewhere, a line for each symbol that ends."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TextIO

from app.data.texts import span_text
from core.market_data.download import HistoryDownload
from core.snapshots import DownloadSnapshot, DownloadState, SymbolDownload

_LOOK_S = 0.2
_BAR_WIDTH = 24
_ENDED = ("done", "failed")


class Progress:
    def __init__(self, download: HistoryDownload, out: TextIO) -> None:
        self._download = download
        self._out = out
        self._is_terminal = out.isatty()
        self._told: set[str] = set()
        self._started_s = time.monotonic()

    async def show(self) -> None:
        """Until the download has ended."""
        while self._download.is_running:
            self._tell(self._download.snapshot())
            await asyncio.sleep(_LOOK_S)
        last = self._download.snapshot()
        self._tell(last)
        self._tell_end(last)

    def _tell(self, snapshot: DownloadSnapshot) -> None:
        for row in snapshot.symbols:
            if row.state in _ENDED and row.symbol not in self._told:
                self._told.add(row.symbol)
                if row.state == "failed" or not self._is_terminal:
                    self._line(_ended(row, snapshot.timeframe))
        if self._is_terminal and self._download.is_running:
            width = shutil.get_terminal_size().columns - 1
            self._out.write("\r" + self._moving(snapshot)[:width].ljust(width))
            self._out.flush()

    def _moving(self, snapshot: DownloadSnapshot) -> str:
        share = sum(map(_share, snapshot.symbols)) / len(snapshot.symbols)
        filled = round(share * _BAR_WIDTH)
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        added = sum(row.added for row in snapshot.symbols)
        ended = sum(row.state in _ENDED for row in snapshot.symbols)
        took_s = time.monotonic() - self._started_s
        left = f", {span_text(took_s / share - took_s)} left" if share > 0.02 else ""
        loading = " ".join(row.symbol for row in snapshot.symbols if row.state == "loading")
        return (
            f"[{bar}] {share:4.0%}  {ended} of {len(snapshot.symbols)} symbols,"
            f" {added:,} candles{left}  {loading}"
        )

    def _tell_end(self, snapshot: DownloadSnapshot) -> None:
        added = sum(row.added for row in snapshot.symbols)
        took_s = time.monotonic() - self._started_s
        again = ""
        if snapshot.state is not DownloadState.DONE:
            again = " The same command again asks only for the rest."
        self._line(f"{added:,} candles in {span_text(took_s)}. {snapshot.state_text}{again}")

    def _line(self, text: str) -> None:
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._out.write("\r" + " " * width + "\r")
        self._out.write(text + "\n")
        self._out.flush()


def _share(row: SymbolDownload) -> float:
    if row.state in _ENDED:
        return 1.0
    return row.done / row.wanted if row.wanted else 0.0


def _ended(row: SymbolDownload, timeframe: str) -> str:
    if row.state == "failed":
        return f"{row.symbol} {timeframe}: failed: {row.text}"
    nowhere = (row.wanted or 0) - row.added
    empty = f"; the exchange has none for {nowhere:,} bars" if nowhere else ""
    return f"{row.symbol} {timeframe}: {row.added:,} candles{empty}"
