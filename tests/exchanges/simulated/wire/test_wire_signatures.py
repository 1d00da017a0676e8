"""Signatures, against vectors that unmodified pybit and ccxt clients produced."""

from __future__ import annotations

import pytest

from exchanges.simulated.wire.errors import BybitError
from exchanges.simulated.wire.signatures import (
    authenticate_request,
    authenticate_stream,
    check_time,
)

KEYS = {"k": "testsecret"}
NOW_MS = 1_700_000_000_000
QUERY = b"category=linear&symbol=BTCUSDT"
REST_SIGN = "1f0ee639ea4c50118304607f9432a8f292b5b71412b1cb1e4320115419029da4"
STREAM_SIGN = "26df689652787d6e2816d6ac43239f177f3a452676ef6c0a64e80828cb7144c7"


def headers(**changes: str) -> dict[str, str]:
    return {
        "X-BAPI-API-KEY": "k",
        "X-BAPI-TIMESTAMP": str(NOW_MS),
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": REST_SIGN,
    } | {name.replace("_", "-"): value for name, value in changes.items()}


def code_of(refused: pytest.ExceptionInfo[BybitError]) -> int:
    return refused.value.code


def test_a_signed_query_names_its_key() -> None:
    assert authenticate_request(headers(), QUERY, KEYS, NOW_MS) == "k"


def test_another_payload_than_the_signed_one_is_refused() -> None:
    with pytest.raises(BybitError) as refused:
        authenticate_request(headers(), b"category=linear&symbol=ETHUSDT", KEYS, NOW_MS)
    assert code_of(refused) == 10004


def test_an_unknown_key_is_refused_before_its_signature_is_looked_at() -> None:
    with pytest.raises(BybitError) as refused:
        authenticate_request(headers(X_BAPI_API_KEY="other"), QUERY, KEYS, NOW_MS)
    assert code_of(refused) == 10003


def test_a_request_without_credentials_is_a_parameter_error() -> None:
    with pytest.raises(BybitError) as refused:
        authenticate_request({}, QUERY, KEYS, NOW_MS)
    assert code_of(refused) == 10001


def test_a_signature_that_is_no_ascii_is_refused_not_crashed_on() -> None:
    with pytest.raises(BybitError) as refused:
        authenticate_request(headers(X_BAPI_SIGN="ü"), QUERY, KEYS, NOW_MS)
    assert code_of(refused) == 10004


@pytest.mark.parametrize(
    ("client_ms", "is_taken"),
    [
        (NOW_MS, True),
        (NOW_MS - 5_000, True),
        (NOW_MS - 5_001, False),
        (NOW_MS + 999, True),
        (NOW_MS + 1_000, False),
    ],
)
def test_the_clients_clock_must_lie_in_the_window(client_ms: int, is_taken: bool) -> None:
    if is_taken:
        check_time(str(client_ms), "5000", NOW_MS)
        return
    with pytest.raises(BybitError) as refused:
        check_time(str(client_ms), "5000", NOW_MS)
    assert code_of(refused) == 10002


@pytest.mark.parametrize("expires", [NOW_MS + 1_000, str(NOW_MS + 1_000)])  # pybit, ccxt
def test_a_stream_signs_in_with_expires_as_number_or_text(expires: int | str) -> None:
    assert authenticate_stream(["k", expires, STREAM_SIGN], KEYS, NOW_MS) == "k"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["other", NOW_MS + 1_000, STREAM_SIGN], 10003),
        (["k", NOW_MS + 1_000, "0" * 64], 10004),
        (["k", NOW_MS - 1, STREAM_SIGN], 10002),
        (["k", "soon", STREAM_SIGN], 10001),
        (["k"], 10001),
        (None, 10001),
    ],
)
def test_a_stream_sign_in_that_does_not_fit_is_refused(args: object, code: int) -> None:
    with pytest.raises(BybitError) as refused:
        authenticate_stream(args, KEYS, NOW_MS)
    assert code_of(refused) == code
