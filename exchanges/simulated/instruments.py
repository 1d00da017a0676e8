"""The fifty perpetuals of the generated market: their filters and how each one moves.

Prices, ticks and lots have the scale of the real contracts; nothing in here was recorded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.models.instruments import Instrument

EXCHANGE = "simulated"
MIN_NOTIONAL = Decimal(5)  # USDT


class Character(NamedTuple):
    """How a symbol trades. `daily_volatility` is the standard deviation of a day's log return;
    `market_share` the part of it (0..1) that follows the common factor; `minute_turnover` in
    USDT, a typical minute's."""

    symbol: str
    price: str
    tick: str
    lot: str
    max_leverage: int
    daily_volatility: float
    market_share: float
    minute_turnover: float

    @property
    def instrument(self) -> Instrument:
        lot = Decimal(self.lot)
        # A single order may be at most what trades in about six hours, rounded to a lot.
        largest = Decimal(int(self.minute_turnover * 360 / float(self.price) / float(lot)) + 1)
        return Instrument(
            exchange=EXCHANGE,
            symbol=self.symbol,
            base=self.symbol.removesuffix("USDT"),
            quote="USDT",
            tick_size=Decimal(self.tick),
            quantity_step=lot,
            min_quantity=lot,
            max_quantity=largest * lot,
            min_notional=MIN_NOTIONAL,
            max_leverage=Decimal(self.max_leverage),
        )


CHARACTERS = (
    Character("BTCUSDT", "67214.5", "0.1", "0.001", 100, 0.035, 0.95, 4_500_000),
    Character("ETHUSDT", "3482.15", "0.01", "0.01", 100, 0.041, 0.92, 3_000_000),
    Character("SOLUSDT", "152.37", "0.01", "0.1", 75, 0.044, 0.86, 1_200_000),
    Character("XRPUSDT", "0.5934", "0.0001", "0.1", 75, 0.038, 0.80, 800_000),
    Character("BNBUSDT", "584.6", "0.1", "0.01", 75, 0.029, 0.82, 500_000),
    Character("DOGEUSDT", "0.13482", "0.00001", "1", 75, 0.050, 0.82, 700_000),
    Character("ADAUSDT", "0.4127", "0.0001", "1", 75, 0.042, 0.84, 250_000),
    Character("TRXUSDT", "0.12693", "0.00001", "1", 75, 0.024, 0.62, 120_000),
    Character("AVAXUSDT", "27.914", "0.001", "0.1", 50, 0.047, 0.86, 220_000),
    Character("LINKUSDT", "14.236", "0.001", "0.1", 50, 0.044, 0.85, 240_000),
    Character("TONUSDT", "7.0412", "0.0001", "0.1", 50, 0.039, 0.68, 130_000),
    Character("DOTUSDT", "6.217", "0.001", "0.1", 50, 0.042, 0.86, 130_000),
    Character("NEARUSDT", "5.183", "0.001", "0.1", 50, 0.052, 0.84, 170_000),
    Character("LTCUSDT", "72.41", "0.01", "0.1", 50, 0.034, 0.82, 160_000),
    Character("BCHUSDT", "378.25", "0.05", "0.01", 50, 0.040, 0.80, 120_000),
    Character("SUIUSDT", "0.9871", "0.0001", "10", 50, 0.058, 0.78, 260_000),
    Character("APTUSDT", "6.942", "0.001", "0.1", 50, 0.051, 0.82, 110_000),
    Character("UNIUSDT", "7.683", "0.001", "0.1", 50, 0.048, 0.78, 90_000),
    Character("ICPUSDT", "8.416", "0.001", "0.1", 50, 0.049, 0.80, 60_000),
    Character("ETCUSDT", "22.137", "0.001", "0.1", 50, 0.041, 0.84, 90_000),
    Character("FILUSDT", "4.372", "0.001", "0.1", 50, 0.048, 0.84, 100_000),
    Character("ATOMUSDT", "6.391", "0.001", "0.1", 50, 0.043, 0.85, 70_000),
    Character("ARBUSDT", "0.7236", "0.0001", "0.1", 50, 0.052, 0.86, 150_000),
    Character("OPUSDT", "1.7412", "0.0001", "0.1", 50, 0.055, 0.85, 140_000),
    Character("INJUSDT", "24.318", "0.001", "0.1", 50, 0.056, 0.80, 90_000),
    Character("TIAUSDT", "6.5178", "0.0001", "0.1", 50, 0.064, 0.74, 110_000),
    Character("SEIUSDT", "0.3417", "0.0001", "1", 50, 0.062, 0.78, 90_000),
    Character("AAVEUSDT", "93.68", "0.01", "0.01", 50, 0.049, 0.76, 80_000),
    Character("MKRUSDT", "2487.3", "0.1", "0.001", 25, 0.044, 0.72, 50_000),
    Character("LDOUSDT", "1.7834", "0.0001", "0.1", 25, 0.056, 0.82, 60_000),
    Character("CRVUSDT", "0.2871", "0.0001", "0.1", 25, 0.060, 0.76, 60_000),
    Character("RUNEUSDT", "4.193", "0.001", "0.1", 25, 0.058, 0.78, 50_000),
    Character("GALAUSDT", "0.02614", "0.00001", "1", 25, 0.056, 0.82, 60_000),
    Character("SANDUSDT", "0.3264", "0.0001", "1", 25, 0.050, 0.84, 45_000),
    Character("MANAUSDT", "0.3347", "0.0001", "1", 25, 0.049, 0.84, 35_000),
    Character("AXSUSDT", "5.874", "0.001", "0.1", 25, 0.050, 0.82, 30_000),
    Character("DYDXUSDT", "1.4026", "0.0001", "0.1", 25, 0.054, 0.80, 45_000),
    Character("GMXUSDT", "26.43", "0.01", "0.01", 25, 0.047, 0.74, 20_000),
    Character("ALGOUSDT", "0.13874", "0.00001", "0.1", 25, 0.044, 0.82, 35_000),
    Character("XLMUSDT", "0.09642", "0.00001", "1", 25, 0.038, 0.80, 40_000),
    Character("HBARUSDT", "0.06713", "0.00001", "1", 25, 0.046, 0.78, 50_000),
    Character("VETUSDT", "0.02473", "0.00001", "1", 25, 0.046, 0.82, 30_000),
    Character("GRTUSDT", "0.18236", "0.00001", "0.1", 25, 0.052, 0.82, 30_000),
    Character("FETUSDT", "1.2973", "0.0001", "1", 25, 0.066, 0.70, 110_000),
    Character("WLDUSDT", "2.3714", "0.0001", "0.1", 25, 0.068, 0.72, 140_000),
    Character("ORDIUSDT", "37.284", "0.001", "0.01", 25, 0.067, 0.72, 90_000),
    Character("1000PEPEUSDT", "0.0114283", "0.0000001", "100", 50, 0.068, 0.70, 400_000),
    Character("1000BONKUSDT", "0.0263417", "0.000001", "100", 25, 0.070, 0.70, 130_000),
    Character("WIFUSDT", "2.0318", "0.0001", "1", 25, 0.078, 0.66, 220_000),
    Character("SHIBUSDT", "0.00001734", "0.00000001", "10000", 50, 0.052, 0.78, 90_000),
)
