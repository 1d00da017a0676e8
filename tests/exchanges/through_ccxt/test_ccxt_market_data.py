"""Instruments, candles, prices and clocks of six exchanges through ccxt, over real sockets."""

from __future__ import annotations

from decimal import Decimal

import pytest
from aiohttp import web
from ccxt_replay import NOW_MS, SWAPS, status

from core.exchange_port import RequestRejected, Unavailable
from core.models.candles import Timeframe

D = Decimal

M15 = Timeframe.M15
FIRST_MS = M15.floor_ms(NOW_MS) - 5 * M15.duration_ms
ROWS = [
    (FIRST_MS + n * M15.duration_ms, "100.10", "101", "99.5", str(100 + n), "7.5") for n in range(6)
]


@pytest.mark.parametrize("exchange", SWAPS)
async def test_instruments_are_in_base_currency(connect, exchange) -> None:
    port = connect(exchange, with_key=False)
    (found,) = await port.fetch_instruments()
    assert (found.exchange, found.symbol, found.base, found.quote) == (
        exchange, "BTCUSDT", "BTC", "USDT",
    )  # fmt: skip
    assert found.tick_size == D("0.1")
    expected = {
        "binance": (D("0.001"), D("0.001"), D(120), D(50), D(20)),
        "okx": (D("0.0001"), D("0.0001"), D(120), D(0), D(100)),  # contracts of 0.01 BTC
        "bitget": (D("0.0001"), D("0.0001"), D(10) ** 9, D(5), D(125)),
        "bingx": (D("0.0001"), D("0.0001"), D(10) ** 9, D(2), D(20)),
    }
    assert expected[exchange] == (
        found.quantity_step,
        found.min_quantity,
        found.max_quantity,
        found.min_notional,
        found.max_leverage,
    )


@pytest.mark.parametrize("exchange", SWAPS)
async def test_what_the_stream_counts_is_known_in_coins(connect, exchange) -> None:
    [wired] = (await connect(exchange, with_key=False)._wire_markets()).values()
    expected = {
        "binance": ("BTCUSDT", D(1)),
        "okx": ("BTC-USDT-SWAP", D("0.01")),
        "bitget": ("BTCUSDT", D(1)),
        "bingx": ("BTC-USDT", D(1)),
    }
    assert wired == expected[exchange]


def candle_answers(exchange: str) -> dict[str, object]:
    if exchange == "binance":
        rows = [[*row, row[0] + M15.duration_ms - 1, "1", 1, "1", "1", "0"] for row in ROWS]
        return {"/fapi/v1/klines": rows}
    if exchange == "okx":
        data = [[str(row[0]), *row[1:5], "750", row[5], "750", "1"] for row in reversed(ROWS)]
        body = {"code": "0", "msg": "", "data": data}
        return {"/api/v5/market/candles": body, "/api/v5/market/history-candles": body}
    if exchange == "bitget":
        body = {
            "code": "00000",
            "msg": "",
            "data": [[str(row[0]), *row[1:], "750"] for row in ROWS],
        }
        return {"/api/v2/mix/market/candles": body, "/api/v2/mix/market/history-candles": body}
    data = [
        dict(zip(("time", "open", "high", "low", "close", "volume"), row, strict=True))
        for row in reversed(ROWS)
    ]
    return {"/openApi/swap/v3/quote/klines": {"code": 0, "msg": "", "data": data}}


@pytest.mark.parametrize("exchange", SWAPS)
async def test_closed_candles_only_oldest_first_and_exact(connect, server, exchange) -> None:
    server.answers |= candle_answers(exchange)
    port = connect(exchange, with_key=False)
    found = await port.fetch_candles("BTCUSDT", M15, limit=5)
    assert [candle.open_time_ms for candle in found] == [row[0] for row in ROWS[:5]]
    first = found[0]
    assert (first.open, first.high, first.low, first.close, first.volume) == (
        D("100.10"), D(101), D("99.5"), D(100), D("7.5"),
    )  # fmt: skip
    newest = await port.fetch_newest_candles("BTCUSDT", M15, 3)
    assert [candle.open_time_ms for candle in newest] == [row[0] for row in ROWS[3:]]


@pytest.mark.parametrize("exchange", SWAPS)
async def test_a_range_is_asked_in_pages_that_fit(connect, server, exchange) -> None:
    server.answers |= candle_answers(exchange)
    port = connect(exchange, with_key=False)
    start_ms = FIRST_MS - 2_500 * M15.duration_ms
    found = await port.fetch_candles("BTCUSDT", M15, start_ms=start_ms, limit=10_000)
    assert [candle.open_time_ms for candle in found] == [row[0] for row in ROWS[:5]]
    per_call = {"binance": 1000, "okx": 100, "bitget": 200, "bingx": 1000}[exchange]
    asked = sum(len(server.to(path)) for path in candle_answers(exchange))
    assert asked == -(-2_505 // per_call)


async def test_weights_of_binance_follow_the_number_of_candles(connect, server) -> None:
    server.answers |= candle_answers("binance")
    port = connect("binance", with_key=False)
    await port.fetch_candles("BTCUSDT", M15, limit=1000)
    address = port.limiter.snapshot()[0]
    assert address.used == 1 + 5 + 5  # the instruments; a page; what is older than the six bars


async def test_upbit_and_bithumb_are_spot_markets_in_won(connect, server) -> None:
    rows = [
        {
            "market": "KRW-BTC",
            "candle_date_time_utc": "2023-11-14T22:00:00",
            "opening_price": 100.5,
            "high_price": 101.0,
            "low_price": 99.0,
            "trade_price": 100.0,
            "candle_acc_trade_volume": 2.25,
        }
    ]
    ticker = {
        "market": "KRW-BTC",
        "trade_price": 148601000.0,
        "opening_price": 148737000.0,
        "high_price": 149360000.0,
        "low_price": 148288000.0,
        "acc_trade_price_24h": 178448329314.96,
        "timestamp": 1751606040365,
        "trade_timestamp": 1751606040365,
    }
    server.answers |= {
        "/v1/candles/minutes/15": rows,
        "/v1/ticker": [ticker],
        "/v1/ticker/all": [ticker],
    }
    for exchange in ("upbit", "bithumb"):
        port = connect(exchange, with_key=False)
        (instrument,) = await port.fetch_instruments()
        assert (instrument.symbol, instrument.quote, instrument.max_leverage) == (
            "BTCKRW",
            "KRW",
            1,
        )
        (candle,) = await port.fetch_candles("BTCKRW", M15, limit=1)
        assert (candle.open_time_ms, candle.volume) == (1_699_999_200_000, D("2.25"))
        (found,) = await port.fetch_tickers()
        assert (found.symbol, found.last_price) == ("BTCKRW", D(148601000))
        assert found.change_24h_ratio == D(148601000) / D(148737000) - 1
        assert abs(await port.fetch_clock_offset_ms()) < 5_000


async def test_a_clock_is_measured(connect, server) -> None:
    server.answers["/fapi/v1/time"] = lambda _: web.json_response({"serverTime": NOW_MS})
    port = connect("binance", with_key=False)
    offset_ms = await port.fetch_clock_offset_ms()
    assert offset_ms < -80_000_000_000  # this machine is years after the story


async def test_what_is_not_traded_there_is_said(connect) -> None:
    port = connect("upbit", with_key=False)
    with pytest.raises(RequestRejected, match="Upbit does not trade ETHKRW"):
        await port.fetch_candles("ETHKRW", M15, limit=1)
    with pytest.raises(RequestRejected, match="Upbit has no 2h candles"):
        await port.fetch_candles("BTCKRW", Timeframe.H2, limit=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(text="<html>maintenance</html>", content_type="text/html"),
        lambda _: web.Response(text="<html>maintenance</html>", content_type="application/json"),
        status(200, text=""),
        status(502),
        {"code": -1000, "msg": "unknown error"},
        [[NOW_MS, "one", "2", "3", "4", "5"]],
    ],
)
async def test_an_answer_without_meaning_is_never_an_empty_one(connect, server, answer) -> None:
    server.answers["/fapi/v1/klines"] = answer
    port = connect("binance", with_key=False)
    with pytest.raises(Unavailable):
        await port.fetch_candles("BTCUSDT", M15, limit=5)
