"""Balances, in each exchange's own words: ccxt's unified ones do not tell a wallet from equity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from exchanges.ccxt_parsers import Row, number, required


class Wallet(NamedTuple):
    """`balance` holds realised results only."""

    balance: Decimal
    available: Decimal
    equity: Decimal


def wallet(exchange: str, info: Any, currency: str) -> Wallet:
    """Raises msgspec.ValidationError when the answer does not hold what it should; an account
    without the currency holds nothing of it."""
    row = _ROW_OF[exchange](info, currency)
    return Wallet(Decimal(0), Decimal(0), Decimal(0)) if row is None else _READ[exchange](row)


def _find(rows: Any, name: str, currency: str) -> Row | None:
    if not isinstance(rows, list):
        raise msgspec.ValidationError("Expected a list of currencies")
    for row in rows:
        if isinstance(row, Mapping) and str(row.get(name, "")).upper() == currency:
            return row
    return None


def _data(info: Any) -> Any:
    return info.get("data") if isinstance(info, Mapping) else None


def _okx_row(info: Any, currency: str) -> Row | None:
    rows = _data(info)
    if not isinstance(rows, list) or not rows:
        raise msgspec.ValidationError("Expected an account")
    return _find(rows[0].get("details"), "ccy", currency)


_ROW_OF: dict[str, Callable[[Any, str], Row | None]] = {
    "binance": lambda info, currency: _find(
        info.get("assets") if isinstance(info, Mapping) else info, "asset", currency
    ),
    "okx": _okx_row,
    "bitget": lambda info, currency: _find(_data(info), "marginCoin", currency),
    "bingx": lambda info, currency: _find(_data(info), "asset", currency),
    "upbit": lambda info, currency: _find(info, "currency", currency),
    "bithumb": lambda info, currency: _find(info, "currency", currency),
}


def _binance(row: Row) -> Wallet:
    balance = required(row, "walletBalance")
    unrealized = number(row, "unrealizedProfit") or Decimal(0)
    return Wallet(balance, required(row, "availableBalance"), balance + unrealized)


def _okx(row: Row) -> Wallet:
    balance = required(row, "cashBal")
    return Wallet(balance, number(row, "availEq") or required(row, "availBal"), required(row, "eq"))


def _bitget(row: Row) -> Wallet:
    equity = required(row, "accountEquity")
    unrealized = number(row, "unrealizedPL") or Decimal(0)
    return Wallet(equity - unrealized, required(row, "available"), equity)


def _bingx(row: Row) -> Wallet:
    return Wallet(
        required(row, "balance"), required(row, "availableMargin"), required(row, "equity")
    )


def _spot(row: Row) -> Wallet:
    free = required(row, "balance")
    total = free + (number(row, "locked") or Decimal(0))
    return Wallet(total, free, total)


_READ: dict[str, Callable[[Row], Wallet]] = {
    "binance": _binance,
    "okx": _okx,
    "bitget": _bitget,
    "bingx": _bingx,
    "upbit": _spot,
    "bithumb": _spot,
}
