"""Pretendard, bundled: Latin and Hangul in one family, tabular digits everywhere.

A price that changes width while it ticks cannot be read; so `tnum` is on in every font, sizes
are pixels and hinting is off (the design's metrics hold on all three systems).
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from PyQt6.QtGui import QFont, QFontDatabase, QFontMetricsF

FAMILY = "Pretendard"
REGULAR, MEDIUM, SEMIBOLD = 400, 500, 600

_FONT_DIR = Path(__file__).resolve().parent.parent / "resources" / "fonts"
_FILES = ("Pretendard-Regular.otf", "Pretendard-Medium.otf", "Pretendard-SemiBold.otf")
_log = logging.getLogger(__name__)


@functools.cache
def load() -> bool:
    """Registers the bundled faces once; needs a QGuiApplication.

    False (and a log line) when a file is missing or damaged: the system font then stands in,
    the program goes on.
    """
    missing = [
        name for name in _FILES if QFontDatabase.addApplicationFont(str(_FONT_DIR / name)) < 0
    ]
    if missing:
        _log.warning("Fonts not loaded from %s: %s", _FONT_DIR, ", ".join(missing))
    return not missing


@functools.cache
def shared(px: int, weight: int = REGULAR) -> QFont:
    """As `font`, but one object for all callers: for painters, not to be changed."""
    load()
    made = QFont(FAMILY)
    made.setPixelSize(px)
    made.setWeight(QFont.Weight(weight))
    made.setFeature(QFont.Tag("tnum"), 1)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def font(px: int, weight: int = REGULAR) -> QFont:
    """A new QFont (yours to change) of `px` pixels; `weight` 400, 500 or 600."""
    return QFont(shared(px, weight))


@functools.cache
def metrics(px: int, weight: int = REGULAR) -> QFontMetricsF:
    """Shared metrics of `font(px, weight)`."""
    return QFontMetricsF(shared(px, weight))


def baseline(centre_y: float, px: int, weight: int = REGULAR) -> int:
    """Baseline (px) that centres capitals and digits, not the line box, on `centre_y`."""
    return round(centre_y + metrics(px, weight).capHeight() / 2)
