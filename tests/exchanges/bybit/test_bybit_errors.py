"""The table of refusals against everything Bybit documents."""

from __future__ import annotations

import json

import pytest

from core.exchange_port import (
    DuplicateOrder,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from exchanges.bybit_errors import NOT_MODIFIED, error_for_code, error_for_http_status


def classified(code, *, is_write=True, headers=None):
    return error_for_code(code, "words", headers or {}, unix_time_ms=1_000, is_write=is_write)


@pytest.mark.parametrize("code", [429, 10000, 10016, 10019, 10429])
def test_trouble_inside_bybit_leaves_an_order_unknown_and_a_read_unavailable(code):
    assert isinstance(classified(code), OutcomeUnknown)
    assert isinstance(classified(code, is_write=False), Unavailable)


@pytest.mark.parametrize("code", sorted(NOT_MODIFIED))
def test_not_modified_is_success(code):
    assert classified(code) is None


def test_every_documented_code_gets_one_sentence(real_wire):
    codes = json.loads((real_wire / "errors" / "bybit_official_codes.json").read_text())["codes"]
    assert len(codes) > 300
    for entry in codes:
        error = classified(int(entry["code"]))
        if error is not None:
            assert error.text.endswith(".")
            assert error.code == str(entry["code"])


def test_documented_server_trouble_of_trading_is_never_a_definite_no(real_wire):
    codes = json.loads((real_wire / "errors" / "bybit_official_codes.json").read_text())["codes"]
    words = ("timeout", "server error", "high server load", "restarting", "internal error")
    for entry in codes:
        if entry["section"] in ("UTA", "WS OE General code", "Spot Trade") and any(
            word in entry["text"].lower() for word in words
        ):
            assert isinstance(classified(int(entry["code"])), OutcomeUnknown), entry


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, RequestRejected),
        (403, RateLimited),
        (404, OutcomeUnknown),
        (429, OutcomeUnknown),
        (500, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
def test_http_statuses(status, kind):
    assert type(error_for_http_status(status, {}, is_write=True)) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1.0),
        ({"X-Bapi-Limit-Reset-Timestamp": "soon"}, 1.0),
        ({"X-Bapi-Limit-Reset-Timestamp": "1500"}, 0.5),
        ({"X-Bapi-Limit-Reset-Timestamp": "500"}, 0.0),
        ({"X-Bapi-Limit-Reset-Timestamp": "9000", "Timenow": "8750"}, 0.25),
        ({"X-Bapi-Limit-Reset-Timestamp": "99999999"}, 60.0),
    ],
)
def test_the_wait_is_the_stated_one_and_never_negative(headers, seconds):
    error = classified(10006, headers=headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


def test_a_duplicate_order_is_not_a_refusal():
    assert isinstance(classified(110072), DuplicateOrder)
