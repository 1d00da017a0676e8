"""Bybit's `/v5/position`, `/v5/execution`, `/v5/account`, `/v5/user` and `/v5/asset` paths."""

from __future__ import annotations

from typing import Any

from core.models.fills import FillKind
from exchanges.simulated.values import Execution
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire import parameters as read
from exchanges.simulated.wire.errors import BybitError
from exchanges.simulated.wire.messages import (
    closed_pnl_json,
    execution_json,
    position_json,
    transaction_json,
    wallet_json,
)
from exchanges.simulated.wire.parameters import Params
from exchanges.simulated.wire.rest import Route, Routes, private_list
from exchanges.simulated.wire.words import text

_SETTLE_COIN = "USDT"


class AccountEndpoints:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/position/list"): private_list(self.positions),
            ("GET", "/v5/position/closed-pnl"): private_list(self.closed_pnl),
            ("POST", "/v5/position/set-leverage"): Route(self.set_leverage, is_private=True),
            ("POST", "/v5/position/trading-stop"): Route(self.trading_stop, is_private=True),
            ("POST", "/v5/position/switch-mode"): Route(self.switch_mode, is_private=True),
            ("GET", "/v5/execution/list"): private_list(self.executions),
            ("GET", "/v5/account/wallet-balance"): Route(self.wallet, is_private=True),
            ("GET", "/v5/account/info"): Route(self.info, is_private=True),
            ("GET", "/v5/account/fee-rate"): private_list(self.fee_rate),
            ("GET", "/v5/account/transaction-log"): Route(self.transactions, is_private=True),
            ("GET", "/v5/user/query-api"): Route(self.query_api, is_private=True),
            ("GET", "/v5/asset/coin/query-info"): Route(self.coins, is_private=True),
        }

    def positions(self, api_key: str, params: Params) -> dict[str, Any]:
        account = self._venue.account(api_key)
        held = account.positions(read.scope_symbol(self._venue, params))
        shown, cursor = read.newest_first_page(
            held,
            lambda position: (0, position.symbol),
            read.string(params, "cursor"),
            read.limit(params, default=20, most=200),
        )
        rows = [position_json(position, entry_key="avgPrice") for position in shown]
        return {"category": "linear", "list": rows, "nextPageCursor": cursor}

    def set_leverage(self, api_key: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        buy, sell = read.decimal(params, "buyLeverage"), read.decimal(params, "sellLeverage")
        if buy is None or buy != sell:
            raise read.bad_parameter("buyLeverage must equal sellLeverage in one-way mode")
        self._venue.account(api_key).set_leverage(symbol, buy)
        return {}

    def trading_stop(self, api_key: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        if read.string(params, "tpslMode") == "Partial" or read.price(params, "trailingStop"):
            raise read.bad_parameter("only tpslMode Full without trailingStop is supported here")
        self._venue.account(api_key).set_protection(
            read.known_symbol(self._venue, params),
            stop_loss=read.decimal(params, "stopLoss"),
            take_profit=read.decimal(params, "takeProfit"),
        )
        return {}

    def switch_mode(self, _: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        if read.integer(params, "mode", -1) == 0:
            raise BybitError(110025, "Position mode is not modified")
        raise BybitError(110029, "Hedge mode is not supported here")

    def executions(self, api_key: str, params: Params) -> dict[str, Any]:
        start_ms, end_ms = read.week(params, self._venue.time_ms())
        page = self._venue.account(api_key).executions(
            symbol=read.optional_symbol(self._venue, params),
            start_ms=start_ms,
            end_ms=end_ms,
            order_id=read.string(params, "orderId"),
            client_order_id=read.string(params, "orderLinkId"),
            limit=read.limit(params, default=50, most=100),
            cursor=read.sequence_cursor(params),
        )
        rows = [execution_json(execution) for execution in page.items]
        wanted = read.string(params, "execType")
        if wanted:
            rows = [row for row in rows if row["execType"] == wanted]
        return {"category": "linear", "list": rows, "nextPageCursor": page.next_cursor}

    def closed_pnl(self, api_key: str, params: Params) -> dict[str, Any]:
        start_ms, end_ms = read.week(params, self._venue.time_ms())
        account = self._venue.account(api_key)
        page = account.closed_pnl(
            symbol=read.optional_symbol(self._venue, params),
            start_ms=start_ms,
            end_ms=end_ms,
            limit=read.limit(params, default=50, most=100),
            cursor=read.sequence_cursor(params),
        )
        rows = [closed_pnl_json(item, account.leverage(item.symbol)) for item in page.items]
        return {"category": "linear", "list": rows, "nextPageCursor": page.next_cursor}

    def wallet(self, api_key: str, params: Params) -> dict[str, Any]:
        if read.required(params, "accountType") != "UNIFIED":
            raise read.bad_parameter("accountType only support UNIFIED")
        coin = read.string(params, "coin")
        account = wallet_json(self._venue.account(api_key).wallet())
        if coin:
            wanted = coin.split(",")
            account["coin"] = [row for row in account["coin"] if row["coin"] in wanted]
        return {"list": [account]}

    def info(self, _: str, __: Params) -> dict[str, Any]:
        return {
            "marginMode": "REGULAR_MARGIN",
            "updatedTime": str(self._venue.market.start_ms),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def fee_rate(self, _: str, params: Params) -> dict[str, Any]:
        symbol = read.optional_symbol(self._venue, params)
        symbols = [symbol] if symbol else list(self._venue.instruments)
        maker, taker = text(self._venue.maker_fee_rate), text(self._venue.taker_fee_rate)
        rows = [
            {"symbol": name, "takerFeeRate": taker, "makerFeeRate": maker, "baseCoin": ""}
            for name in symbols
        ]
        return {"category": "linear", "list": rows}

    def transactions(self, api_key: str, params: Params) -> dict[str, Any]:
        start_ms, end_ms = read.week(params, self._venue.time_ms())
        page = self._venue.account(api_key).executions(
            start_ms=start_ms,
            end_ms=end_ms,
            limit=read.limit(params, default=20, most=50),
            cursor=read.sequence_cursor(params),
        )
        wanted = read.string(params, "type")
        rows = [
            transaction_json(execution)
            for execution in page.items
            if wanted in ("", _transaction_type(execution))
        ]
        return {"list": rows, "nextPageCursor": page.next_cursor}

    def query_api(self, api_key: str, _: Params) -> dict[str, Any]:
        """A unified account whose key may trade and read, and never withdraw."""
        return {
            "id": "1",
            "note": "demo exchange",
            "apiKey": api_key,
            "readOnly": 0,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": [],
                "Wallet": [],
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "Exchange": [],
                "Earn": [],
            },
            "ips": ["*"],
            "type": 1,
            "unified": 0,
            "uta": 1,
            "userID": 1,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "isMaster": True,
            "parentUid": "0",
        }

    def coins(self, _: str, params: Params) -> dict[str, Any]:
        wanted = read.string(params, "coin")
        row = {"name": _SETTLE_COIN, "coin": _SETTLE_COIN, "remainAmount": "0", "chains": []}
        return {"rows": [row] if wanted in ("", _SETTLE_COIN) else []}


def _transaction_type(execution: Execution) -> str:
    return "SETTLEMENT" if execution.kind is FillKind.FUNDING else "TRADE"
