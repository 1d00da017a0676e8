"""One port per account, shared by every bot on it (spec T9): one set of connections, one rate
limit, one memory. A new exchange is one new file and one line in `_BUILDERS`; one that ccxt speaks
to is a row in `ccxt_quirks.py`."""

from __future__ import annotations

import difflib
import logging
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from core.clock import Clock
from core.exchange_port import ExchangePort
from core.snapshots import AccountMode
from exchanges.bybit_exchange import BybitExchange
from exchanges.ccxt_quirks import QUIRKS
from exchanges.credentials import Credentials
from exchanges.paper import PaperExchange
from exchanges.request_limiter import RequestLimiter

log = logging.getLogger(__name__)


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to build the port of one account.

    Empty URLs mean the exchange's own hosts. `paper_store` is the file of a paper account's
    books (None: forgotten at the end), `paper_balance` what new ones start with, in quote
    currency. A paper account needs no credentials. `accept_unverified`: the trader has said that an
    adapter which never met its exchange may trade real money.
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
    paper_balance: Decimal = Decimal(25_000)
    accept_unverified: bool = False


class ExchangeManager:
    """Builds ports on `add`, hands the same one to everybody, stops them in reverse order."""

    def __init__(self, rng: random.Random) -> None:
        """`rng` jitters the reconnects of every port."""
        self._rng = rng
        self._ports: dict[str, ExchangePort] = {}

    def add(self, spec: AccountSpec) -> ExchangePort:
        """Build the account's port; nothing is opened yet. Raises ValueError with one sentence:
        exchange unknown, name taken, credentials missing."""
        if spec.name in self._ports:
            raise ValueError(f"There are two accounts named {spec.name!r}.")
        build = _BUILDERS.get(spec.exchange)
        if build is None:
            raise ValueError(unknown_exchange(spec.exchange))
        is_bold = spec.mode is AccountMode.LIVE and not spec.accept_unverified
        if is_bold and is_unverified(spec.exchange):
            raise ValueError(f"Account {spec.name!r}: {live_refusal(spec.exchange)}")
        port: ExchangePort
        if spec.mode is AccountMode.PAPER:
            brought = next((p for p in self._ports.values() if p.exchange == spec.exchange), None)
            public = msgspec.structs.replace(spec, credentials=None)
            port = PaperExchange(
                spec.name,
                market_data=brought or build(public, self._rng),
                is_shared=brought is not None,
                clock=spec.clock,
                store_path=spec.paper_store,
                initial_balance=spec.paper_balance,
            )
        elif spec.credentials is None:
            raise ValueError(f"Account {spec.name!r} needs an API key for {spec.mode} trading.")
        else:
            port = build(spec, self._rng)
        self._ports[spec.name] = port
        return port

    def port(self, account_name: str) -> ExchangePort:
        """Raises KeyError for an account that was never added."""
        return self._ports[account_name]

    @property
    def accounts(self) -> list[str]:
        """Names in the order they were added."""
        return list(self._ports)

    async def stop(self) -> None:
        """Stop every port, last added first; one that fails does not keep the others."""
        while self._ports:
            name, port = self._ports.popitem()
            try:
                await port.stop()
            except Exception:  # one port's fault must not leave the others' sockets open
                log.exception("account %s did not stop cleanly", name)


def known_exchanges() -> list[str]:
    return sorted(_BUILDERS)


def is_unverified(exchange: str) -> bool:
    """Whether the exchange's adapter has been tried on recorded messages only, never on the
    exchange itself."""
    return exchange in QUIRKS


def live_refusal(exchange: str) -> str:
    """Why real money is not traded there yet, and what to do."""
    return (
        f"the adapter of {QUIRKS[exchange].title} has never met the real exchange; "
        'use mode = "paper", or write i_accept_unverified = true to trade real money on it'
    )


def unknown_exchange(name: str) -> str:
    """The sentence for a name that is not registered."""
    known = known_exchanges()
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown exchange {name!r}; known: {', '.join(known)}.{hint}"


def _bybit(spec: AccountSpec, rng: random.Random) -> ExchangePort:
    urls = {
        name: url
        for name in ("rest_url", "ws_public_url", "ws_private_url")
        if (url := getattr(spec, name))
    }
    return BybitExchange(
        spec.name,
        credentials=spec.credentials,
        clock=spec.clock,
        limiter=spec.limiter,
        rng=rng,
        **urls,
    )


def _ccxt(spec: AccountSpec, rng: random.Random) -> ExchangePort:
    from exchanges.ccxt_exchange import CcxtExchange  # ccxt takes seconds and 100 MB to load

    return CcxtExchange(
        spec.exchange,
        spec.name,
        credentials=spec.credentials,
        clock=spec.clock,
        limiter=spec.limiter,
        rng=rng,
        rest_url=spec.rest_url,
        ws_public_url=spec.ws_public_url,
    )


_BUILDERS: dict[str, Callable[[AccountSpec, random.Random], ExchangePort]] = {
    "bybit": _bybit,
    **dict.fromkeys(QUIRKS, _ccxt),
}
