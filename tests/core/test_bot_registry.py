"""The list of bots survives a restart, with what each was doing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.models.candles import Timeframe
from core.snapshots import BotState
from core.storage.database import open_database


def spec(symbol: str) -> BotSpec:
    return BotSpec(symbol.lower(), "UnifiedBot", "demo", symbol, Timeframe.M15, "macd_rsi_trend")


def test_bots_come_back_in_order_with_their_state(tmp_path: Path) -> None:
    registry = BotRegistry(open_database(tmp_path / "engine.sqlite"))
    registry.add(spec("BTCUSDT"))
    registry.add(spec("ETHUSDT"))
    registry.set_state("ethusdt", BotState.RUNNING)
    registry.add(spec("BTCUSDT"))  # the configuration is read at every start

    again = BotRegistry(open_database(tmp_path / "engine.sqlite"))
    assert again.load() == [
        (spec("BTCUSDT"), BotState.STOPPED),
        (spec("ETHUSDT"), BotState.RUNNING),
    ]
    again.pause("ethusdt")
    again.pause("btcusdt")  # a stopped one stays stopped
    assert [state for _, state in again.load()] == [BotState.STOPPED, BotState.PAUSED]
    again.remove("btcusdt")
    assert again.load() == [(spec("ETHUSDT"), BotState.PAUSED)]


def test_a_list_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    database = open_database(tmp_path / "engine.sqlite")
    database.execute(
        "CREATE TABLE bots (bot_id TEXT PRIMARY KEY, spec TEXT NOT NULL, was_running INTEGER)"
    )
    for symbol, was_running in (("BTCUSDT", 0), ("ETHUSDT", 1)):
        text = msgspec.json.encode(spec(symbol)).decode()
        database.execute("INSERT INTO bots VALUES (?, ?, ?)", (symbol, text, was_running))
    for _ in range(2):
        assert [state for _, state in BotRegistry(database).load()] == [
            BotState.STOPPED,
            BotState.RUNNING,
        ]
