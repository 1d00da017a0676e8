"""Equity curve with its drawdown pane."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtWidgets import QWidget


class EquityChart(QWidget):
    """`set_curve` takes (ms UTC, equity), oldest first; empty is shown as such."""

    def set_curve(self, points: Sequence[tuple[int, float]], currency: str = "USDT") -> None: ...

    def set_range(self, days: int | None) -> None:
        """Shows the newest `days` days; None shows all."""
