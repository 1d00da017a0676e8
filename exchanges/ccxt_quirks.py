"""What each exchange does in its own way: one row of plain facts for each that ccxt speaks to.

Meanings of refusals: a code is *unknown* where the exchange's own text does not exclude that the
order was accepted, *landed* where it says that this client id is there already, *missing* where it
knows no such order; every other answer with a code is a definite no. Sources: the error tables of
the exchanges' documentation and, for the codes, of ccxt 4.5.90. None of these rows has been tried
against the real exchange yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec

Client = Any  # ccxt publishes no types for its clients


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """`exchange` is our name, `ccxt_id` ccxt's class, `quote` what orders settle in.

    `candles_per_call` is the most the exchange gives at once. `poll_s` is how often open orders,
    positions and balance are asked for. `attaches_protection`: an order may carry stop loss and
    take profit; elsewhere they are placed once the position is there. `conditional_apart`: stops
    live behind endpoints of their own, with ids of their own.
    """

    exchange: str
    ccxt_id: str
    title: str
    quote: str = "USDT"
    is_spot: bool = False
    options: dict[str, Any] = {}
    candles_per_call: int = 1000
    tickers_poll_s: float = 3.0
    poll_s: float = 3.0
    attaches_protection: bool = False
    conditional_apart: bool = False
    landed: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()  # "no need to change": success in effect
    no_money: frozenset[str] = frozenset()
    bad_key: frozenset[str] = frozenset()
    rate_limited: frozenset[str] = frozenset()
    limit_is_of_address: bool = False  # a 429 speaks of the machine, not of the account
    ban_statuses: frozenset[int] = frozenset({418, 403})
    fetch_markets: Callable[[Client], Awaitable[list[Any]]]
    code_of: Callable[[Any], str]
    text_of: Callable[[Any], str]
    candle_tokens: Callable[[int], int] = lambda _count: 1
    default_max_leverage: Decimal = Decimal(20)


# ---- codes and texts of an answer --------------------------------------------------------------


def _top_level(body: Any) -> str:
    """`{"code": -2019, "msg": ...}`; "" where the answer has no code or says that all is well."""
    code = str(body.get("code", "")) if isinstance(body, dict) else ""
    return "" if code in ("0", "00000", "200") else code


def _binance_code(body: Any) -> str:
    """-2010 is any refusal of an order; one of them says that the order is there."""
    code = _top_level(body)
    return "-4116" if code == "-2010" and "duplicate" in _message(body).lower() else code


def _okx_code(body: Any) -> str:
    """Of the order itself where there is one: the outer code only counts failures."""
    if isinstance(body, dict) and isinstance(body.get("data"), list):
        for row in body["data"]:
            code = str(row.get("sCode", "0")) if isinstance(row, dict) else "0"
            if code != "0":
                return code
    return _top_level(body)


def _named_error(body: Any) -> str:
    """`{"error": {"name": ..., "message": ...}}`"""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("name", "error")) if isinstance(error, dict) else ""


def _message(body: Any) -> str:
    return str(body.get("msg") or body.get("message") or "") if isinstance(body, dict) else ""


def _okx_message(body: Any) -> str:
    if isinstance(body, dict) and isinstance(body.get("data"), list):
        for row in body["data"]:
            if isinstance(row, dict) and row.get("sMsg"):
                return str(row["sMsg"])
    return _message(body)


def _error_message(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


# ---- markets: only those we trade, by the fewest requests --------------------------------------


async def _all_markets(client: Client) -> list[Any]:
    return list(await client.fetch_markets())


async def _bingx_markets(client: Client) -> list[Any]:
    return list(await client.fetch_swap_markets({}))


def _binance_candle_weight(count: int) -> int:
    for most, weight in ((99, 1), (499, 2), (1000, 5)):
        if count <= most:
            return weight
    return 10


# ---- the table ---------------------------------------------------------------------------------

_ROWS = (
    Quirks(
        exchange="binance",
        ccxt_id="binanceusdm",
        title="Binance",
        options={"warnOnFetchOpenOrdersWithoutSymbol": False, "defaultSubType": "linear"},
        tickers_poll_s=5.0,  # all tickers weigh 40 of 2,400 a minute
        poll_s=10.0,  # a round weighs about 160
        conditional_apart=True,
        landed=frozenset({"-4116"}),
        unknown=frozenset({"-1000", "-1001", "-1004", "-1006", "-1007", "-1008", "-1010"}),
        missing=frozenset({"-2011", "-2013"}),
        unchanged=frozenset({"-4046", "-4059"}),
        no_money=frozenset({"-2018", "-2019", "-4164"}),
        bad_key=frozenset({"-1022", "-2014", "-2015"}),
        rate_limited=frozenset({"-1003", "-1015"}),
        limit_is_of_address=True,
        fetch_markets=_all_markets,
        code_of=_binance_code,
        text_of=_message,
        candle_tokens=_binance_candle_weight,
    ),
    Quirks(
        exchange="okx",
        ccxt_id="okx",
        title="OKX",
        options={"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        candles_per_call=100,  # older ones; of the newest it would give 300
        attaches_protection=True,
        conditional_apart=True,
        landed=frozenset({"51016", "51065"}),
        unknown=frozenset({"50001", "50004", "50013", "50026", "51149"}),
        missing=frozenset({"51400", "51401", "51402", "51603"}),
        no_money=frozenset({"51004", "51008", "51119", "51127", "51131"}),
        bad_key=frozenset({"50100", "50103", "50104", "50105", "50111", "50113", "50119"}),
        rate_limited=frozenset({"50011", "50061"}),
        fetch_markets=_all_markets,
        code_of=_okx_code,
        text_of=_okx_message,
    ),
    Quirks(
        exchange="bitget",
        ccxt_id="bitget",
        title="Bitget",
        options={"defaultType": "swap", "uta": False, "fetchMarkets": {"types": ["swap"]}},
        candles_per_call=200,
        attaches_protection=True,
        conditional_apart=True,
        landed=frozenset({"40786"}),
        unknown=frozenset({"40010", "40015", "40725", "45001"}),
        missing=frozenset({"40109", "40768", "43001", "43025"}),
        no_money=frozenset({"40711", "40712", "40754", "40762", "43012"}),
        bad_key=frozenset({"40006", "40009", "40012", "40018", "40037"}),
        rate_limited=frozenset({"429", "1001", "30014", "30026", "50009"}),
        fetch_markets=_all_markets,
        code_of=_top_level,
        text_of=_message,
    ),
    Quirks(
        exchange="bingx",
        ccxt_id="bingx",
        title="BingX",
        options={"defaultType": "swap"},
        poll_s=5.0,
        attaches_protection=True,
        unknown=frozenset({"100410", "100500", "109500", "110500"}),
        missing=frozenset({"80016", "80017", "80018", "109421"}),
        no_money=frozenset({"80012", "100202", "101204"}),
        bad_key=frozenset({"100001", "100413", "100419"}),
        rate_limited=frozenset({"429"}),
        fetch_markets=_bingx_markets,
        code_of=_top_level,
        text_of=_message,
    ),
    Quirks(
        exchange="upbit",
        ccxt_id="upbit",
        title="Upbit",
        quote="KRW",
        is_spot=True,
        candles_per_call=200,
        missing=frozenset({"order_not_found"}),
        no_money=frozenset({"insufficient_funds_bid", "insufficient_funds_ask"}),
        bad_key=frozenset({"invalid_access_key", "jwt_verification", "no_authorization_ip"}),
        rate_limited=frozenset({"too_many_requests"}),
        fetch_markets=_all_markets,
        code_of=_named_error,
        text_of=_error_message,
    ),
    Quirks(
        exchange="bithumb",
        ccxt_id="bithumb",
        title="Bithumb",
        quote="KRW",
        is_spot=True,
        candles_per_call=200,
        unknown=frozenset({"5900"}),
        missing=frozenset({"order_not_found"}),
        no_money=frozenset({"insufficient_funds_bid", "insufficient_funds_ask"}),
        bad_key=frozenset({"invalid_access_key", "jwt_verification", "NotAllowIP"}),
        rate_limited=frozenset({"too_many_requests"}),
        limit_is_of_address=True,
        fetch_markets=_all_markets,
        code_of=_named_error,
        text_of=_error_message,
    ),
)
QUIRKS = {row.exchange: row for row in _ROWS}
