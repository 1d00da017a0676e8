"""The exchanges whose public streams are spoken: one line each."""

from __future__ import annotations

from collections.abc import Callable

from exchanges.binance_dialect import BinanceDialect
from exchanges.bingx_dialect import BingxDialect
from exchanges.bitget_dialect import BitgetDialect
from exchanges.bybit_dialect import BybitDialect
from exchanges.okx_dialect import OkxDialect
from exchanges.stream_dialect import StreamDialect
from exchanges.upbit_dialect import BithumbDialect, UpbitDialect

PUBLIC_DIALECTS: dict[str, Callable[..., StreamDialect]] = {  # each takes another URL
    "binance": BinanceDialect,
    "bingx": BingxDialect,
    "bitget": BitgetDialect,
    "bithumb": BithumbDialect,
    "bybit": BybitDialect,
    "okx": OkxDialect,
    "upbit": UpbitDialect,
}
