"""A key that may do more or less than trade is refused before it is stored; ux 78."""

from __future__ import annotations

from typing import Any

import pytest

from core.exchange_port import ExchangeError
from exchanges.credentials import Credentials
from exchanges.key_check import KeyRefused, bybit_advice, check_key, is_checkable


def rights(**changes: Any) -> dict[str, Any]:
    return {
        "readOnly": 0,
        "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": []},
        "ips": ["203.0.113.7"],
        "deadlineDay": 80,
        **changes,
    }


def test_a_key_that_trades_from_one_address_needs_no_advice() -> None:
    assert bybit_advice(rights()) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}},
         r"This key can withdraw\.$"),
        ({"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer"]}},
         "This key can move money"),
        ({"readOnly": 1}, "may not trade"),
        ({"permissions": {"ContractTrade": ["Order"], "Wallet": []}}, "may not trade"),
        ({"permissions": {"ContractTrade": ["Order", "Position"]}}, "whether this key can"),
        ({"permissions": None}, "did not say"),
        ({"readOnly": None}, "did not say"),
    ],
)  # fmt: skip
def test_rights_that_are_wrong_or_not_told_are_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KeyRefused, match=sentence):
        bybit_advice(rights(**changes))


def test_an_open_address_and_an_early_end_are_told() -> None:
    assert bybit_advice(rights(ips=["*"], deadlineDay=3)) == [
        "The key works from any address: bind it to yours at the exchange.",
        "The key ends in 3 days.",
    ]


async def test_the_question_is_signed_and_its_answer_read(bybit: Any) -> None:
    path = "/v5/user/query-api"
    bybit.answers[path] = {"retCode": 0, "retMsg": "", "result": rights(ips=["*"])}
    credentials = Credentials("canary-key", "canary-secret")
    advice = await check_key("bybit", credentials, f"http://{bybit.url}")
    assert len(advice) == 1
    assert bybit.stamps[path]


async def test_a_key_that_the_exchange_does_not_know_is_not_quoted(bybit: Any) -> None:
    bybit.answers["/v5/user/query-api"] = {
        "retCode": 10003, "retMsg": "API key canary-key is invalid.", "result": {},
    }  # fmt: skip
    with pytest.raises(ExchangeError) as fault:
        await check_key("bybit", Credentials("canary-key", "s"), f"http://{bybit.url}")
    assert "canary-key" not in str(fault.value)


def test_only_an_exchange_that_was_met_is_asked() -> None:
    assert [name for name in ("bybit", "binance", "okx", "upbit") if is_checkable(name)] == [
        "bybit"
    ]
