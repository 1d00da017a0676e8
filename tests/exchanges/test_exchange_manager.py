"""One port per account, and clear words where there is none."""

from __future__ import annotations

import copy
import pickle
import random
from decimal import Decimal

import msgspec
import pytest

from core.clock import ManualClock
from core.snapshots import AccountMode
from exchanges.credentials import Credentials
from exchanges.exchange_manager import AccountSpec, ExchangeManager
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.server import DemoServer


class NoTurn:
    def end(self):
        """Nothing counts."""


class NoLimiter:
    async def wait(self, family, tokens=1, *, priority=None, owner=None):
        return NoTurn()

    def get_wait_time(self, family, tokens=1, *, priority=None):
        return 0.0

    def correct(self, family, headers):
        """Nothing to learn."""

    def penalise(self, family, retry_after_s):
        """Nothing to hold back."""


def spec(name="main", exchange="bybit", mode=AccountMode.DEMO, credentials=None):
    return AccountSpec(
        name=name,
        exchange=exchange,
        mode=mode,
        clock=ManualClock(),
        limiter=NoLimiter(),
        credentials=credentials,
        rest_url="http://127.0.0.1:9",
    )


KEYS = Credentials("canary-key", "canary-secret")


@pytest.fixture
async def manager():
    manager = ExchangeManager(random.Random(1))
    yield manager
    await manager.stop()


async def test_everybody_gets_the_same_port(manager):
    port = manager.add(spec(credentials=KEYS))
    assert manager.port("main") is port
    assert (port.account, port.exchange) == ("main", "bybit")
    assert manager.accounts == ["main"]


async def test_a_paper_account_needs_no_key(manager):
    port = manager.add(spec(mode=AccountMode.PAPER))
    assert (port.account, port.exchange) == ("main", "bybit")


class Nobody:
    """A listener that is told things and does nothing."""

    def on_stream_state(self, kind, state, detail):
        """Nothing to do."""


async def test_a_paper_account_starts_with_its_own_balance(manager):
    clock = ManualClock(GeneratedMarket(1).start_ms)
    venue = Venue(market=GeneratedMarket(1), clock=clock)
    server = DemoServer(venue, keys={})
    await server.start()
    try:
        wanted = msgspec.structs.replace(
            spec(mode=AccountMode.PAPER),
            clock=clock,
            rest_url=server.rest_url,
            paper_balance=Decimal("777.50"),
        )
        port = manager.add(wanted)
        await port.start_trading(Nobody())
        assert (await port.fetch_balance()).wallet_balance == Decimal("777.50")
    finally:
        await manager.stop()
        await server.stop()
        venue.close()


async def test_an_unknown_exchange_is_named_with_what_was_probably_meant(manager):
    with pytest.raises(ValueError, match=r"Unknown exchange 'bybot'.*Did you mean 'bybit'\?"):
        manager.add(spec(exchange="bybot"))


async def test_two_accounts_of_one_name_are_refused(manager):
    manager.add(spec(credentials=KEYS))
    with pytest.raises(ValueError, match="two accounts named 'main'"):
        manager.add(spec(credentials=KEYS))


async def test_trading_without_a_key_is_refused(manager):
    with pytest.raises(ValueError, match="needs an API key"):
        manager.add(spec(mode=AccountMode.LIVE))


async def test_ports_stop_in_reverse_order_and_one_fault_keeps_none(
    manager, fail_on_unexpected_log
):
    stopped = []
    for name in ("first", "second", "third"):
        port = manager.add(spec(name, credentials=KEYS))

        async def stop(name=name, really_stop=port.stop):
            stopped.append(name)
            await really_stop()
            if name == "second":
                raise RuntimeError("socket trouble")

        port.stop = stop
    await manager.stop()
    assert stopped == ["third", "second", "first"]
    assert "second did not stop cleanly" in fail_on_unexpected_log.pop().getMessage()
    assert manager.accounts == []


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda c: repr(spec(credentials=c))])
def test_credentials_show_nothing(show):
    assert "canary" not in show(KEYS)


def test_credentials_are_never_pickled_or_copied():
    for take in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            take(KEYS)


def test_credentials_black_themselves_out_of_a_text():
    assert KEYS.redact("origin_string[1canary-key5000] canary-secret") == (
        "origin_string[1***5000] ***"
    )


async def test_paper_beside_another_account_shares_its_market_data(manager):
    first = manager.add(spec("live", mode=AccountMode.LIVE, credentials=KEYS))
    paper = manager.add(spec("paper", mode=AccountMode.PAPER))
    assert paper._data is first
    alone = ExchangeManager(random.Random(1))
    own = alone.add(spec("paper", mode=AccountMode.PAPER))
    assert own._data is not first
    await alone.stop()
