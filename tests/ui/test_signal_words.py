"""What a strategy says of its signal is said in the trader's language too."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from strategies import STRATEGIES
from ui import i18n

_NAMES = re.compile(r"MACD|RSI|ATR|EMA|SMA|VWAP")


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_explains_itself_in_korean(name, direction):
    text = STRATEGIES[name]().explain(defaultdict(lambda: 12.3456), direction)
    i18n.use("ko")
    told = i18n.sentence(text)
    i18n.use("en")
    assert not re.search("[a-zA-Z]{2,}", _NAMES.sub("", told)), told
    assert i18n.sentence(text) == text
