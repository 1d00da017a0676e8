"""How a judged candle becomes a signal: the same for every kind of bot, so that what follows
(size, stop, take profit, order) is the same too."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from core.bots.bot_spec import BotSpec
from core.events import Signal
from core.market_feed import MarketFeed
from core.models.candles import Timeframe
from core.strategy import Strategy

MOST_PRICE_AGE_S = 15.0  # real time; an older price is no price to trade at


def evidence_of(row: pd.Series, entry: pd.DataFrame) -> dict[str, float]:
    """What the strategy has added to the candle: indicator name -> value."""
    candle = set(entry.columns)
    return {str(name): float(row[name]) for name in row.index if name not in candle}


def make_signal(
    spec: BotSpec,
    strategy: Strategy,
    row: pd.Series,
    *,
    symbol: str,
    direction: int,
    candle_open_time_ms: int,
    reference_price: Decimal,
    time_ms: int,
    evidence: dict[str, float],
) -> Signal:
    """`row` is the newest of the strategy's indicators, `reference_price` the traded exchange's.
    Where the candles are another exchange's, distances keep their share of the price."""
    stop, take_profit = (Decimal(repr(d)) for d in strategy.exit_distances(row))
    if spec.signal_exchange:
        scale = reference_price / Decimal(repr(float(row["close"])))
        stop, take_profit = stop * scale, take_profit * scale
    return Signal(
        bot_id=spec.bot_id,
        account=spec.account,
        strategy=strategy.name,
        symbol=symbol,
        direction=direction,
        candle_open_time_ms=candle_open_time_ms,
        reference_price=reference_price,
        time_ms=time_ms,
        stop_distance=stop,
        take_profit_distance=take_profit,
        evidence=evidence,
        reason=strategy.explain(row, direction),
    )


def price_to_trade_at(feed: MarketFeed, symbol: str) -> Decimal | None:
    """The traded exchange's newest price; None without one, or when it is too old."""
    price = feed.prices.newest(symbol)
    return None if price is None or price.age_s > MOST_PRICE_AGE_S else price.price


def frames_of(feed: MarketFeed, strategy: Strategy, symbol: str) -> dict[Timeframe, pd.DataFrame]:
    """What the strategy judges, of a followed symbol. Raises StoreFault."""
    manager = feed.data.get_manager(symbol, strategy.required_timeframes[0])
    return {timeframe: manager.frame(timeframe) for timeframe in strategy.required_timeframes}
