import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Signal
from core.models.orders import OrderPurpose
from core.oms.client_order_id import (
    ID_RULES,
    is_ours,
    make_client_order_id,
    nonce_for,
    signal_order_id,
)

NAMES = st.text(min_size=1, max_size=40).filter(
    lambda s: any(c.isascii() and c.isalnum() for c in s)
)
TIMES = st.integers(0, 2_800_000_000_000)


@given(NAMES, NAMES, TIMES, st.text(max_size=40))
def test_every_intent_fits_the_narrowest_exchange(strategy, symbol, created_ms, nonce):
    client_order_id = make_client_order_id(strategy, symbol, created_ms, nonce)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", client_order_id)
    assert client_order_id == make_client_order_id(strategy, symbol, created_ms, nonce)
    assert is_ours(client_order_id)


def test_the_names_are_readable():
    client_order_id = make_client_order_id("macd_rsi", "BTCUSDT", 1_700_000_000_000, "n")
    assert client_order_id.startswith("macdrsi_BTCUSDT_")


def test_what_is_cut_from_a_long_name_still_tells_intents_apart():
    long_name = "a_very_long_strategy_name_number_"
    ids = {
        make_client_order_id(f"{long_name}{i}", f"10000000MOGUSDT{i}", 1, "n") for i in range(50)
    }
    assert len(ids) == 50


def test_a_nonce_tells_bot_purpose_and_sequence_apart():
    nonces = {
        nonce_for(bot, purpose, n) for bot in "ab" for purpose in ("x", "xa") for n in range(5)
    }
    assert len(nonces) == 20


@pytest.mark.parametrize(
    "foreign", ["", "web_12345", "x-abc123", "a_BTCUSDT_1_2", "é_B_00000000_0"]
)
def test_other_peoples_ids_are_not_ours(foreign):
    assert not is_ours(foreign)


@pytest.mark.parametrize(
    ("strategy", "symbol", "created_ms"), [("!!", "BTC", 1), ("a", "", 1), ("a", "B", -1)]
)
def test_what_cannot_be_named_is_refused_with_a_sentence(strategy, symbol, created_ms):
    with pytest.raises(ValueError, match="no client order id from"):
        make_client_order_id(strategy, symbol, created_ms, "n")


TAKEN = {  # alphabet and length, as each exchange publishes them
    "bybit": r"[A-Za-z0-9_-]{1,36}",
    "binance": r"[.A-Z:/a-z0-9_-]{1,36}",
    "okx": r"[A-Za-z0-9]{1,32}",
    "bitget": r"[A-Za-z0-9_-]{1,50}",
    "bingx": r"[a-z0-9_-]{1,40}",  # given back in lower case
    "upbit": r"[A-Za-z0-9_-]{1,36}",
    "bithumb": r"[A-Za-z0-9_-]{1,36}",
}


@pytest.mark.parametrize("exchange", sorted(TAKEN))
@given(strategy=NAMES, symbol=NAMES, created_ms=TIMES, nonce=st.text(max_size=20))
def test_every_intent_fits_every_exchange(exchange, strategy, symbol, created_ms, nonce):
    client_order_id = make_client_order_id(strategy, symbol, created_ms, nonce, exchange)
    assert re.fullmatch(TAKEN[exchange], client_order_id)
    assert is_ours(client_order_id, exchange)
    other = make_client_order_id(strategy, symbol, created_ms, nonce + "x", exchange)
    assert other.lower() != client_order_id.lower()


def test_every_exchange_has_its_rules():
    assert ID_RULES.keys() == TAKEN.keys()


def test_a_signal_judged_twice_is_one_order():
    signal = Signal("bot-1", "demo", "macd", "BTCUSDT", 1, 1_700_000_000_000, Decimal(1), 5)
    first = signal_order_id("okx", signal, OrderPurpose.ENTRY)
    assert first == signal_order_id("okx", signal, OrderPurpose.ENTRY)
    assert first != signal_order_id("okx", signal, OrderPurpose.EXIT)
