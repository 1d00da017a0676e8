"""Stop loss and take profit of a position on exchanges where they are orders of their own.

Each kind is one conditional order that closes the whole position. A new one is placed before the
old one goes where the exchange allows two; where it does not, the old one goes first, and the
position is without it for one round trip.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from core.exchange_port import RequestRejected
from core.models.orders import OrderPurpose, Side

Client = Any  # ccxt publishes no types for its clients


class Stop(msgspec.Struct, frozen=True):
    """`side` is the one that closes the position, `contracts` its size there."""

    market: Mapping[str, Any]
    purpose: OrderPurpose
    side: Side
    contracts: str
    price: str

    @property
    def is_loss(self) -> bool:
        return self.purpose is OrderPurpose.STOP_LOSS


class ProtectionWay(msgspec.Struct, frozen=True):
    """How one exchange takes such an order. `questions`: parameters of the lists of conditional
    orders that have to be asked for; `cancel`: those of taking one back."""

    place: Callable[[Client, Stop], Awaitable[Any]]
    allows_two: bool
    questions: tuple[dict[str, Any], ...] = ()
    cancel: dict[str, Any] = {}


async def _binance(client: Client, stop: Stop) -> Any:
    kind = "STOP_MARKET" if stop.is_loss else "TAKE_PROFIT_MARKET"
    return await client.create_order(
        stop.market["symbol"],
        kind,
        stop.side.value,
        None,
        None,
        {"triggerPrice": stop.price, "closePosition": True},
    )


async def _okx(client: Client, stop: Stop) -> Any:
    word = "sl" if stop.is_loss else "tp"
    return await client.privatePostTradeOrderAlgo(
        {
            "instId": stop.market["id"],
            "tdMode": "cross",
            "side": stop.side.value,
            "ordType": "conditional",
            "closeFraction": "1",
            "reduceOnly": "true",
            f"{word}TriggerPx": stop.price,
            f"{word}TriggerPxType": "last",
            f"{word}OrdPx": "-1",
        }
    )


async def _bitget(client: Client, stop: Stop) -> Any:
    return await _by_unified_words(client, stop, {"triggerType": "fill_price"})


async def _bingx(client: Client, stop: Stop) -> Any:
    return await _by_unified_words(
        client, stop, {"closePosition": "true", "workingType": "CONTRACT_PRICE"}
    )


async def _by_unified_words(client: Client, stop: Stop, more: dict[str, Any]) -> Any:
    word = "stopLossPrice" if stop.is_loss else "takeProfitPrice"
    return await client.create_order(
        stop.market["symbol"],
        "market",
        stop.side.value,
        stop.contracts,
        None,
        {word: stop.price, **more},
    )


async def _impossible(_client: Client, stop: Stop) -> Any:
    raise RequestRejected(f"There are no stop orders for {stop.market['symbol']} there.")


_TRIGGER = {"trigger": True}
WAYS = {
    "binance": ProtectionWay(
        place=_binance, allows_two=False, questions=(_TRIGGER,), cancel=_TRIGGER
    ),
    "okx": ProtectionWay(
        place=_okx,
        allows_two=True,
        questions=({"ordType": "conditional"}, {"ordType": "oco"}),
        cancel=_TRIGGER,
    ),
    "bitget": ProtectionWay(
        place=_bitget,
        allows_two=False,
        questions=({"trigger": True, "planType": "profit_loss"},),
        cancel={"trigger": True, "planType": "profit_loss"},
    ),
    "bingx": ProtectionWay(place=_bingx, allows_two=True),
    "upbit": ProtectionWay(place=_impossible, allows_two=False),
    "bithumb": ProtectionWay(place=_impossible, allows_two=False),
}


def decimal_text(value: Decimal) -> str:
    """Digits only: exchanges refuse an exponent."""
    return f"{value:f}"
