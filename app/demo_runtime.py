"""Where the demo exchange of a data directory listens: written by it, read by the engine."""

from __future__ import annotations

from pathlib import Path

import msgspec

DEMO_ACCOUNTS = 16  # at one demo exchange


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
    seed: int | None
    sources: dict[str, str]

    def __repr__(self) -> str:
        return f"DemoExchangeRuntime(pid={self.pid}, port={self.port}, rate={self.rate})"


def demo_key(api_key: str, number: int) -> str:
    """The key of the demo account with this number in the configuration, from 0: each has an
    account of its own at the demo exchange, the first the one that has always been there."""
    return api_key if number == 0 else f"{api_key}-{number}"


def runtime_path(data_dir: Path) -> Path:
    """Where the running demo exchange of this data directory says that it is."""
    return data_dir / "run" / "demo_exchange.json"


def read_runtime(data_dir: Path) -> DemoExchangeRuntime | None:
    """The runtime file, or None when there is none. After a kill -9 it may outlive its process:
    check `pid` and the port. Raises OSError, msgspec.DecodeError."""
    try:
        return msgspec.json.decode(runtime_path(data_dir).read_bytes(), type=DemoExchangeRuntime)
    except FileNotFoundError:
        return None
