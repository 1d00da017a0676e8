"""The venue's values as Bybit's JSON objects: pure functions, the same for REST and streams."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.models.candles import Candle
from core.models.fills import FillKind
from core.models.instruments import Instrument
from exchanges.simulated.market import Level, Tick
from exchanges.simulated.values import (
    Execution,
    StopType,
    VenueOrder,
    VenuePosition,
    VenueTicker,
    Wallet,
)
from exchanges.simulated.wire.words import (
    CANCEL_TYPES,
    CREATE_TYPES,
    NO_REJECT,
    ORDER_TYPES,
    REJECT_REASONS,
    SIDES,
    STATUSES,
    STOP_TYPES,
    TIMES_IN_FORCE,
    mean_text,
    text,
    text_or_zero,
)

Json = dict[str, Any]
_MOST_TICKS = 19_999_998  # Bybit's highest price of BTCUSDT in ticks
_ZERO = Decimal(0)


def order_json(order: VenueOrder) -> Json:
    """One order, as in `/v5/order/realtime` and the `order` stream (linear)."""
    is_conditional = order.stop_type is not StopType.NONE
    has_protection = order.stop_loss is not None or order.take_profit is not None
    leaves = order.leaves_quantity
    return {
        "category": "linear",
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderLinkId": order.client_order_id,
        "blockTradeId": "",
        "side": SIDES[order.side],
        "orderType": ORDER_TYPES[order.order_type],
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "price": text_or_zero(order.price),
        "qty": text(order.quantity),
        "orderIv": "",
        "isLeverage": "",
        "positionIdx": 0,
        "orderStatus": STATUSES[order.status],
        "cancelType": CANCEL_TYPES[order.cancel_reason],
        "rejectReason": REJECT_REASONS.get(order.cancel_reason, NO_REJECT),
        "avgPrice": mean_text(order.average_price) if order.filled_quantity else "",
        "leavesQty": text(leaves),
        "leavesValue": text(leaves * (order.price or order.last_price_on_created)),
        "cumExecQty": text(order.filled_quantity),
        "cumExecValue": text(order.filled_value),
        "cumExecFee": text(order.fee),
        "cumFeeDetail": {"USDT": text(order.fee)} if order.filled_quantity else {},
        "feeCurrency": "USDT",
        "stopOrderType": STOP_TYPES[order.stop_type],
        "tpslMode": "Full" if has_protection or order.is_protection else "",
        "triggerPrice": text(order.trigger_price),
        "triggerDirection": order.trigger_direction.value,
        "triggerBy": "LastPrice" if is_conditional else "",
        "takeProfit": text(order.take_profit),
        "stopLoss": text(order.stop_loss),
        "tpTriggerBy": "LastPrice" if order.take_profit is not None else "",
        "slTriggerBy": "LastPrice" if order.stop_loss is not None else "",
        "tpLimitPrice": "0",
        "slLimitPrice": "0",
        "lastPriceOnCreated": text(order.last_price_on_created),
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.is_protection,
        "createType": CREATE_TYPES[order.create_type],
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def execution_json(execution: Execution) -> Json:
    """One execution, as in `/v5/execution/list` (linear)."""
    is_trade = execution.kind is FillKind.TRADE
    return {
        "category": "linear",
        "symbol": execution.symbol,
        "orderId": execution.exchange_order_id,
        "orderLinkId": execution.client_order_id,
        "side": SIDES[execution.side],
        "orderPrice": text_or_zero(execution.order_price),
        "orderQty": text(execution.order_quantity),
        "leavesQty": text(execution.leaves_quantity),
        "orderType": ORDER_TYPES[execution.order_type] if is_trade else "UNKNOWN",
        "stopOrderType": STOP_TYPES[execution.stop_type] or "UNKNOWN",
        "createType": CREATE_TYPES[execution.create_type] if is_trade else "",
        "execFee": text(execution.fee),
        "feeRate": text(execution.fee_rate),
        "feeCurrency": "USDT",
        "execId": execution.trade_id,
        "execPrice": text(execution.price),
        "execQty": text(execution.quantity),
        "execValue": text(execution.value),
        "execType": _exec_type(execution),
        "execTime": str(execution.time_ms),
        "closedSize": text(execution.closed_quantity),
        "isMaker": execution.is_maker,
        "isLeverage": "0",
        "markPrice": text(execution.mark_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "marketUnit": "",
        "extraFees": "",
        "seq": execution.sequence,
    }


def streamed_execution_json(execution: Execution) -> Json:
    """One execution on the `execution` stream, which alone says what it realised."""
    return execution_json(execution) | {"execPnl": text(execution.realized_pnl)}


def _exec_type(execution: Execution) -> str:
    if execution.kind is FillKind.FUNDING:
        return "Funding"
    return "BustTrade" if execution.is_liquidation else "Trade"


def fast_execution_json(execution: Execution) -> Json:
    """One trade on the `execution.fast` stream."""
    return {
        "category": "linear",
        "symbol": execution.symbol,
        "execId": execution.trade_id,
        "execPrice": text(execution.price),
        "execQty": text(execution.quantity),
        "orderId": execution.exchange_order_id,
        "orderLinkId": execution.client_order_id,
        "isMaker": execution.is_maker,
        "side": SIDES[execution.side],
        "execTime": str(execution.time_ms),
        "seq": execution.sequence,
    }


def position_json(position: VenuePosition, *, entry_key: str) -> Json:
    """One position; the list calls its mean entry price `avgPrice`, the stream `entryPrice`."""
    return {
        "category": "linear",
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "tradeMode": 0,
        "symbol": position.symbol,
        "side": "" if position.is_flat else SIDES[position.side],
        "size": text(position.quantity),
        entry_key: "0" if position.is_flat else mean_text(position.entry_price),
        "positionValue": text(position.value),
        "leverage": text(position.leverage),
        "markPrice": text(position.mark_price),
        "liqPrice": text(position.liquidation_price),
        "bustPrice": "",
        "positionBalance": text(position.initial_margin),
        "positionIM": text(position.initial_margin),
        "positionMM": text(position.maintenance_margin),
        "positionIMByMp": text(position.initial_margin),
        "positionMMByMp": text(position.maintenance_margin),
        "takeProfit": text_or_zero(position.take_profit),
        "stopLoss": text_or_zero(position.stop_loss),
        "trailingStop": "0",
        "tpslMode": "Full",
        "sessionAvgPrice": "",
        "unrealisedPnl": text(position.unrealized_pnl),
        "curRealisedPnl": text(position.realized_pnl),
        "cumRealisedPnl": text(position.total_realized_pnl),
        "positionStatus": "Normal",
        "adlRankIndicator": 0,
        "autoAddMargin": 0,
        "isReduceOnly": False,
        "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "",
        "createdTime": str(position.created_ms),
        "updatedTime": str(position.updated_ms),
        "seq": position.sequence,
    }


def wallet_json(wallet: Wallet) -> Json:
    """The unified account and its one coin, as in `/v5/account/wallet-balance` and `wallet`."""
    initial_margin = wallet.position_margin + wallet.order_margin
    equity = wallet.equity
    return {
        "accountType": "UNIFIED",
        "accountIMRate": mean_text(initial_margin / equity if equity > 0 else _ZERO),
        "accountMMRate": mean_text(wallet.maintenance_margin / equity if equity > 0 else _ZERO),
        "accountLTV": "0",
        "totalEquity": text(equity),
        "totalWalletBalance": text(wallet.wallet_balance),
        "totalMarginBalance": text(equity),
        "totalAvailableBalance": text(wallet.available_balance),
        "totalPerpUPL": text(wallet.unrealized_pnl),
        "totalInitialMargin": text(initial_margin),
        "totalMaintenanceMargin": text(wallet.maintenance_margin),
        "coin": [
            {
                "coin": wallet.currency,
                "equity": text(equity),
                "usdValue": text(equity),
                "walletBalance": text(wallet.wallet_balance),
                "availableToWithdraw": "",  # Bybit retired the field for unified accounts
                "availableToBorrow": "",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": text(wallet.order_margin),
                "totalPositionIM": text(wallet.position_margin),
                "totalPositionMM": text(wallet.maintenance_margin),
                "unrealisedPnl": text(wallet.unrealized_pnl),
                "cumRealisedPnl": text(wallet.total_realized_pnl),
                "bonus": "0",
                "locked": "0",
                "collateralSwitch": True,
                "marginCollateral": True,
                "spotHedgingQty": "0",
                "spotBorrow": "0",
            }
        ],
    }


def closed_pnl_json(execution: Execution, leverage: Decimal) -> Json:
    """One closing execution, as in `/v5/position/closed-pnl`; `closedPnl` is after its fee."""
    closed = execution.closed_quantity
    return {
        "symbol": execution.symbol,
        "orderId": execution.exchange_order_id,
        "side": SIDES[execution.side],
        "qty": text(execution.order_quantity),
        "orderPrice": text_or_zero(execution.order_price),
        "orderType": ORDER_TYPES[execution.order_type],
        "execType": _exec_type(execution),
        "closedSize": text(closed),
        "cumEntryValue": text(execution.closed_entry_value),
        "avgEntryPrice": mean_text(execution.closed_entry_value / closed),
        "cumExitValue": text(execution.price * closed),
        "avgExitPrice": text(execution.price),
        "closedPnl": text(execution.realized_pnl - execution.fee),
        "fillCount": "1",
        "leverage": text(leverage),
        "createdTime": str(execution.time_ms),
        "updatedTime": str(execution.time_ms),
    }


def transaction_json(execution: Execution) -> Json:
    """One change of the wallet, as in `/v5/account/transaction-log`."""
    is_funding = execution.kind is FillKind.FUNDING
    return {
        "id": execution.trade_id,
        "symbol": execution.symbol,
        "category": "linear",
        "side": SIDES[execution.side],
        "transactionTime": str(execution.time_ms),
        "type": "SETTLEMENT" if is_funding else "TRADE",
        "qty": text(execution.quantity),
        "currency": "USDT",
        "tradePrice": text(execution.price),
        "funding": text(-execution.fee) if is_funding else "",
        "fee": "0" if is_funding else text(execution.fee),
        "feeRate": text(execution.fee_rate),
        "cashFlow": text(execution.realized_pnl),
        "change": text(execution.cash_flow),
        "tradeId": execution.trade_id,
        "orderId": execution.exchange_order_id,
        "orderLinkId": execution.client_order_id,
    }


def instrument_json(instrument: Instrument) -> Json:
    """One linear perpetual, as in `/v5/market/instruments-info`."""
    return {
        "symbol": instrument.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading" if instrument.is_trading else "Closed",
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "settleCoin": instrument.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(instrument.price_decimals),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": text(instrument.max_leverage),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": text(instrument.tick_size),
            "maxPrice": text(instrument.tick_size * _MOST_TICKS),
            "tickSize": text(instrument.tick_size),
        },
        "lotSizeFilter": {
            "minOrderQty": text(instrument.min_quantity),
            "maxOrderQty": text(instrument.max_quantity),
            "maxMktOrderQty": text(instrument.max_quantity),
            "postOnlyMaxOrderQty": text(instrument.max_quantity),
            "qtyStep": text(instrument.quantity_step),
            "minNotionalValue": text(instrument.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "copyTrading": "none",
        "symbolType": "",
        "isPreListing": False,
        "preListingInfo": None,
    }


def ticker_json(ticker: VenueTicker) -> Json:
    """One linear ticker, as in `/v5/market/tickers` and the `tickers` stream."""
    mark = ticker.mark_price or ticker.last_price
    return {
        "symbol": ticker.symbol,
        "lastPrice": text(ticker.last_price),
        "markPrice": text(mark),
        "indexPrice": text(mark),
        "bid1Price": text(ticker.bid_price),
        "bid1Size": text(ticker.bid_size),
        "ask1Price": text(ticker.ask_price),
        "ask1Size": text(ticker.ask_size),
        "highPrice24h": text(ticker.high_24h),
        "lowPrice24h": text(ticker.low_24h),
        "prevPrice24h": text(ticker.price_24h_ago),
        "prevPrice1h": text(ticker.price_1h_ago),
        "price24hPcnt": mean_text(ticker.change_24h_ratio),
        "volume24h": text(ticker.volume_24h),
        "turnover24h": text(ticker.turnover_24h),
        "openInterest": text(ticker.open_interest),
        "openInterestValue": text(ticker.open_interest * mark),
        "fundingRate": text(ticker.funding_rate),
        "nextFundingTime": str(ticker.next_funding_ms),
        "fundingIntervalHour": "8",
    }


def turnover(candle: Candle) -> Decimal:
    """Quote volume of a bar at its middle price: a candle keeps no turnover of its own."""
    return candle.volume * (candle.high + candle.low) / 2


def kline_row(candle: Candle) -> list[str]:
    """One bar of `/v5/market/kline`."""
    return [
        str(candle.open_time_ms),
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        text(candle.volume),
        text(turnover(candle)),
    ]


def levels_json(levels: list[Level]) -> list[list[str]]:
    """One side of a book, best first."""
    return [[text(level.price), text(level.quantity)] for level in levels]


def trade_id(symbol: str, tick: Tick) -> str:
    """Names a public trade: the market has at most one of a symbol at a moment."""
    return f"{symbol}-{tick.time_ms}"


def public_trade_json(symbol: str, tick: Tick) -> Json:
    """One trade of `/v5/market/recent-trade`."""
    return {
        "execId": trade_id(symbol, tick),
        "symbol": symbol,
        "price": text(tick.price),
        "size": text(tick.quantity),
        "side": SIDES[tick.taker_side],
        "time": str(tick.time_ms),
        "isBlockTrade": False,
    }


def stream_trade_json(symbol: str, tick: Tick, direction: str) -> Json:
    """One trade of the `publicTrade` stream; `direction` is Bybit's tick direction."""
    return {
        "T": tick.time_ms,
        "s": symbol,
        "S": SIDES[tick.taker_side],
        "v": text(tick.quantity),
        "p": text(tick.price),
        "L": direction,
        "i": trade_id(symbol, tick),
        "BT": False,
    }
