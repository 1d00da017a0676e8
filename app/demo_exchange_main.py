"""The demo exchange's process: builds market, venue and server, and says where it listens.

It runs on its own so that an engine's death (kill -9 included) never touches its books.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

EXIT_OK = 0
EXIT_ALREADY_RUNNING = 4
EXIT_PORT_TAKEN = 5


class DemoExchangeOptions(msgspec.Struct, frozen=True):
    """Options of the `demo-exchange` subcommand. `port` 0 is any free one, `for_seconds` real."""

    data_dir: Path
    port: int = 0
    seed: int = 1
    speed: float = 1.0
    candles_dir: Path | None = None
    initial_balance: Decimal = Decimal(25_000)
    for_seconds: float | None = None


class DemoExchangeRuntime(msgspec.Struct, frozen=True):
    """Contents of `run/demo_exchange.json` (mode 0600): where the exchange is and how to sign.

    Market time is `market_anchor_ms + (unix now - unix_anchor_ms) * rate`, as `ScaledClock`.
    `sources` names the file behind each replayed symbol; empty for the generated market.
    """

    pid: int
    host: str
    port: int
    api_key: str
    api_secret: str
    rate: float
    market_anchor_ms: int
    unix_anchor_ms: int
    seed: int
    sources: dict[str, str]

    def __repr__(self) -> str:
        return f"DemoExchangeRuntime(pid={self.pid}, port={self.port}, rate={self.rate})"


def runtime_path(data_dir: Path) -> Path:
    """Where the running demo exchange of this data directory says that it is."""
    return data_dir / "run" / "demo_exchange.json"


def read_runtime(data_dir: Path) -> DemoExchangeRuntime | None:
    """The runtime file, or None when there is none. The process may still have died since."""
    try:
        return msgspec.json.decode(runtime_path(data_dir).read_bytes(), type=DemoExchangeRuntime)
    except FileNotFoundError:
        return None


def main(options: DemoExchangeOptions) -> int:
    """Run until SIGTERM, SIGINT or `for_seconds`; the exit code.

    Prints one JSON line (the runtime without the secret) on stdout once it listens.
    """
    raise NotImplementedError(options)
