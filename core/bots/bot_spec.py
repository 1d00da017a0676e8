"""What a bot is told to do: kept in the configuration and in the engine's own list of bots."""

from __future__ import annotations

from typing import Any

import msgspec

from core.models.candles import Timeframe


class BotSpec(msgspec.Struct, frozen=True):
    """`bot_id` is unique within an engine and appears in logs and on orders."""

    bot_id: str
    kind: str
    account: str
    symbol: str
    timeframe: Timeframe
    strategy: str
    parameters: dict[str, Any] = {}
    autostart: bool = False
    sizing: dict[str, Any] = {}  # empty: the account's
