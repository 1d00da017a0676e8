"""One port per account, shared by every bot on it (spec T9): one set of connections, one rate
limit, one memory. A new exchange is one new file and one line in `_BUILDERS`."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from core.clock import Clock
from core.exchange_port import ExchangePort
from core.snapshots import AccountMode
from exchanges.credentials import Credentials
from exchanges.request_limiter import RequestLimiter


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to build the port of one account.

    Empty URLs mean the exchange's own hosts. `paper_store` is the file of a paper account's
    books (None: forgotten at the end). Credentials stay None for paper accounts.
    """

    name: str
    exchange: str
    mode: AccountMode
    clock: Clock
    limiter: RequestLimiter
    credentials: Credentials | None = None
    rest_url: str = ""
    ws_public_url: str = ""
    ws_private_url: str = ""
    paper_store: Path | None = None


class ExchangeManager:
    """Builds ports on `add`, hands the same one to everybody, stops them in reverse order."""

    def __init__(self, rng: random.Random) -> None: ...

    def add(self, spec: AccountSpec) -> ExchangePort:
        """Build the account's port. Raises ValueError (unknown exchange, name taken, no keys)."""

    def port(self, account_name: str) -> ExchangePort:
        """Raises KeyError with a sentence for an account that was never added."""

    def accounts(self) -> list[str]: ...

    async def stop(self) -> None:
        """Stop every port, last added first; one that fails does not keep the others."""
