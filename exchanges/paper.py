"""Paper trading: the live market's data, orders matched in process by the simulated venue.

It is an exchange like any other: nothing above the port can tell, and nothing asks.
"""

from __future__ import annotations

from pathlib import Path

from core.clock import Clock
from core.exchange_port import MarketDataPort


class PaperExchange:
    """Both ports: market data passed through from `market_data`, trading by a venue of our own.

    `store_path` keeps the books over a restart; None forgets them.
    """

    def __init__(
        self,
        account: str,
        *,
        market_data: MarketDataPort,
        clock: Clock,
        store_path: Path | None,
    ) -> None: ...
