"""What a bot is told to do: kept in the configuration and in the engine's own list of bots."""

from __future__ import annotations

from typing import Any

import msgspec

from core.models.candles import Timeframe
from core.scanning.settings import ScanSettings


class BotSpec(msgspec.Struct, frozen=True):
    """`bot_id` is unique within an engine and appears in logs and on orders; `name` is the
    trader's own word for it ("": the id). `symbol` is "" for a kind of bot that scans many.

    `signal_exchange`: whose candles the signals come from; "" is the account's own exchange.
    """

    bot_id: str
    kind: str
    account: str
    symbol: str
    timeframe: Timeframe
    strategy: str
    parameters: dict[str, Any] = {}
    autostart: bool = False
    sizing: dict[str, Any] = {}  # empty: the account's
    name: str = ""
    scan: ScanSettings | None = None  # None: not a bot that scans
    signal_exchange: str = ""

    @property
    def shown_name(self) -> str:
        return self.name or self.bot_id
