"""The words around the bars: one bar read out whole, a market's colours in every scheme."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from ui import formatting, theme
from ui.charts.canvas import PRICE
from ui.charts.chart_view import CandleChart
from ui.tokens import SCHEME_NAMES, THEME_NAMES, SchemeName, ThemeName, tokens

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")
MakeChart = Callable[..., CandleChart]


def pixels_of(chart: CandleChart, code: str) -> int:
    """How many pixels have exactly this colour."""
    image = chart.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    bits = image.constBits()
    assert bits is not None
    shown = np.frombuffer(bits.asarray(image.sizeInBytes()), "<u4") & 0xFFFFFF
    return int(np.count_nonzero(shown == int(code[1:], 16)))


def test_the_legend_reads_a_whole_bar(trading_chart, hand, market) -> None:
    """ux 24: open, high, low, close, change in % and volume of the bar under the mouse, and of
    the last one when it leaves."""
    trading_chart.resize(1400, 600)
    columns = market.columns(500)

    def told(row: int) -> list[str]:
        o, h, low, c = (columns[name][row] for name in ("open", "high", "low", "close"))
        change = f"{(c - o) / o * 100:+.2f} %".replace("-", "−")
        return [f"O {o:,.1f}", f"H {h:,.1f}", f"L {low:,.1f}", f"C {c:,.1f}", change,
                f"Vol {formatting.volume(columns['volume'][row])}"]  # fmt: skip

    hand.move(400, 150)
    row = round(trading_chart.canvas.panes[PRICE].slot_at(400))
    legend = trading_chart.legend_texts()[PRICE]
    assert [part for part in told(row) if part not in legend] == []
    hand.leave()
    legend = trading_chart.legend_texts()[PRICE]
    assert [part for part in told(499) if part not in legend] == []


@pytest.mark.parametrize("name", THEME_NAMES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_candles_wear_the_colours_of_the_scheme(
    make_chart: MakeChart, market, qapp: QApplication, name: ThemeName, scheme: SchemeName
) -> None:
    """ux 71: switched while it is shown; the colours of before are gone."""
    chart = make_chart(market.block(500))
    theme.apply(qapp, name, scheme)
    wanted = tokens(name, scheme)
    assert pixels_of(chart, wanted.up) > 100
    assert pixels_of(chart, wanted.down) > 100
    others = {tokens(name, other).up for other in SCHEME_NAMES} - {wanted.up, wanted.down}
    assert [code for code in others if pixels_of(chart, code) > 20] == []
