"""The list of bots survives a restart, with which of them were running."""

from __future__ import annotations

from pathlib import Path

from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.models.candles import Timeframe
from core.storage.database import open_database


def spec(symbol: str) -> BotSpec:
    return BotSpec(symbol.lower(), "UnifiedBot", "demo", symbol, Timeframe.M15, "macd_rsi_trend")


def test_bots_come_back_in_order_with_their_state(tmp_path: Path) -> None:
    registry = BotRegistry(open_database(tmp_path / "engine.sqlite"))
    registry.add(spec("BTCUSDT"))
    registry.add(spec("ETHUSDT"))
    registry.set_running("ethusdt", True)
    registry.add(spec("BTCUSDT"))  # the configuration is read at every start

    again = BotRegistry(open_database(tmp_path / "engine.sqlite"))
    assert again.load() == [(spec("BTCUSDT"), False), (spec("ETHUSDT"), True)]
    again.remove("btcusdt")
    assert again.load() == [(spec("ETHUSDT"), True)]
