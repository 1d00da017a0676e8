"""Changing a working order in its place, over the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.exchange_port import AmendingPort, OutcomeUnknown, RequestRejected

AMEND = "/v5/order/amend"


async def test_only_what_changes_is_sent_and_once(exchange, bybit):
    assert isinstance(exchange, AmendingPort)
    bybit.answers[AMEND] = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    await exchange.amend_order("BTCUSDT", "mine", "x", price=Decimal("60000.10"))
    await exchange.amend_order("BTCUSDT", "mine", "", quantity=Decimal("1E+3"))
    assert bybit.sent_to(AMEND) == [
        {"category": "linear", "symbol": "BTCUSDT", "orderId": "x", "price": "60000.10"},
        {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "mine", "qty": "1000"},
    ]


@pytest.mark.parametrize(("code", "kind"), [(110001, RequestRejected), (10016, OutcomeUnknown)])
async def test_a_refused_change_and_an_unknown_one_are_told_apart(exchange, bybit, code, kind):
    bybit.answers[AMEND] = {"retCode": code, "retMsg": "words", "result": {}}
    with pytest.raises(kind):
        await exchange.amend_order("BTCUSDT", "mine", "x", price=Decimal(1))
