"""Every code that clients in the field have met: no order is ever opened twice by a wrong "no"."""

from __future__ import annotations

import json

import pytest

from core.exchange_port import DuplicateOrder, OutcomeUnknown, RateLimited, RequestRejected
from exchanges.bybit_errors import error_for_code

# What the words say about orders; every other code is a no to something else (loans, earn, ...).
WORDS = {
    "timeout": OutcomeUnknown,
    "timed out": OutcomeUnknown,
    "system error": OutcomeUnknown,
    "server error": OutcomeUnknown,
    "server timeout": OutcomeUnknown,
    "submitted to the system": OutcomeUnknown,
    "duplicate clientorderid": DuplicateOrder,
    "duplicate orderid": DuplicateOrder,
    "orderlinkedid is duplicate": DuplicateOrder,
    "order_link_id is repeated": DuplicateOrder,
    "request is duplicate": OutcomeUnknown,
    "too many requests": RateLimited,
    "exceed ip rate limit": RateLimited,
    "too fast": RateLimited,
}


def outcome(code: int):
    return type(error_for_code(code, "words", {}, unix_time_ms=1_000, is_write=True))


def test_what_the_field_has_met_says_what_its_words_say(real_wire):
    codes = json.loads((real_wire / "errors" / "bybit_codes.json").read_text())["codes"]
    met = 0
    for entry in codes:
        if not entry["code"].lstrip("-").isdigit():
            continue  # a text that some client matches, not a code
        for words, expected in WORDS.items():
            if words in entry["text"].lower():
                met += 1
                assert outcome(int(entry["code"])) is expected, entry
    assert met > 15


def test_every_lack_of_funds_is_final(real_wire):
    codes = json.loads((real_wire / "errors" / "bybit_codes.json").read_text())["codes"]
    lacking = [e for e in codes if e["ccxt_class"] == "InsufficientFunds"]
    assert len(lacking) > 30
    for entry in lacking:
        if entry["code"].isdigit():
            assert outcome(int(entry["code"])) is RequestRejected, entry


@pytest.mark.parametrize("code", [110001, 110010, 110020, 110079])
def test_an_order_that_cannot_be_operated_on_is_refused_and_then_asked_for(code):
    """The order management system asks for the order before it believes anything."""
    assert outcome(code) is RequestRejected
