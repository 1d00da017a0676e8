"""An adapter that never met its exchange trades on paper, unless the trader says otherwise."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.limits.api_rate_limiter import APIRateLimiter
from core.limits.published_limits import PUBLISHED_LIMITS
from core.oms.client_order_id import ID_RULES
from core.snapshots import AccountMode
from exchanges.ccxt_protection import WAYS
from exchanges.ccxt_quirks import QUIRKS
from exchanges.credentials import Credentials
from exchanges.exchange_manager import (
    AccountSpec,
    ExchangeManager,
    is_unverified,
    known_exchanges,
)

ROOT = Path(__file__).resolve().parents[2]
SIX = ["binance", "bingx", "bitget", "bithumb", "okx", "upbit"]


def spec(exchange: str, mode: AccountMode, *, accept: bool = False) -> AccountSpec:
    clock = ManualClock()
    return AccountSpec(
        name="main",
        exchange=exchange,
        mode=mode,
        clock=clock,
        limiter=APIRateLimiter(exchange, clock).for_account("main"),
        credentials=Credentials("key", "secret"),
        accept_unverified=accept,
    )


def test_every_exchange_has_a_row_in_every_table() -> None:
    assert known_exchanges() == sorted(["bybit", *SIX])
    assert sorted(QUIRKS) == sorted(WAYS) == SIX
    assert set(known_exchanges()) == set(PUBLISHED_LIMITS) == set(ID_RULES)
    assert [name for name in known_exchanges() if is_unverified(name)] == SIX


@pytest.mark.parametrize("exchange", SIX)
async def test_paper_is_free_and_real_money_asks_for_a_word(exchange) -> None:
    manager = ExchangeManager(random.Random(1))
    with pytest.raises(ValueError, match=r"has never met the real exchange.*i_accept_unverified"):
        manager.add(spec(exchange, AccountMode.LIVE))
    port = manager.add(spec(exchange, AccountMode.PAPER))
    assert port.exchange == exchange
    await manager.stop()
    manager.add(spec(exchange, AccountMode.LIVE, accept=True))
    await manager.stop()


def test_ccxt_is_loaded_only_when_an_account_needs_it() -> None:
    """It takes seconds and 100 MB."""
    code = (
        "import sys; import exchanges.exchange_manager as m; "
        "print(len(m.known_exchanges()), 'ccxt' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["7", "False"]
