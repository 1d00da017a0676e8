"""Daily results as bars around zero."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtWidgets import QWidget


class BarsChart(QWidget):
    """`set_bars` takes (day start ms UTC, result), oldest first."""

    def set_bars(self, bars: Sequence[tuple[int, float]], currency: str = "USDT") -> None: ...
