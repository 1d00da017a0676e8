"""Sixteen bots and the trader's hand on one account: what is let through never breaks a limit, and
what fits is never refused (fault row R12: exact at the boundary, one tick to either side).

The oracle is written from the specification, in whole cents, and shares no code with the rules.
"""

from __future__ import annotations

import itertools
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.event_bus import EventBus
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.risk.risk_manager import MarketPrice, RiskLimits, RiskManager, SymbolLimits
from core.storage.database import open_database

D = Decimal
EQUITY_CENTS = 1_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT")
SMALL = "DOGEUSDT"  # has limits of its own
LIMITS = RiskLimits(
    max_symbols=5,
    max_orders_per_minute=40,
    symbols={SMALL: SymbolLimits(max_order_notional=D(300), max_position_notional=D(700))},
)


class Oracle:
    """The specification's limits, in cents, over what has been let through so far."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.orders: list[int] = []
        self.times_s: list[float] = []
        self.cool_until_s = 0.0

    def rate(self, now_s: float) -> int:
        return sum(now_s - time_s < 60 for time_s in self.times_s)

    def room(self, symbol: str) -> int:
        """The largest order in cents that all limits by amount allow."""
        own = self.held.get(symbol, 0)
        total = sum(self.held.values())
        rooms = [EQUITY_CENTS // 5 - own, EQUITY_CENTS * 4 // 5 - total]
        if symbol == SMALL:
            rooms += [30_000, 70_000 - own]
        if symbol not in self.held and len(self.held) >= 5:
            rooms.append(0)
        newest = self.orders[-20:]
        if len(newest) >= 5:
            rooms.append(10 * sum(newest) // len(newest))
        return min(rooms)

    def allows(self, symbol: str, cents: int, now_s: float) -> bool:
        if now_s < self.cool_until_s or cents > self.room(symbol):
            return False
        return self.rate(now_s) < 40


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_sixteen_bots_and_a_hand_never_pass_a_limit_and_use_it_to_the_cent(
    data: st.DataObject,
) -> None:
    clock, numbers, oracle = ManualClock(), itertools.count(), Oracle()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "account.sqlite")
        database.execute("PRAGMA synchronous=OFF")
        capital = SharedCapitalManager(
            "bybit", D(10_000), database=database, clock=clock, taker_fee_ratio=D(0)
        )
        risk = RiskManager(
            bus=EventBus(clock),
            clock=clock,
            capital=capital,
            database=database,
            limits=LIMITS,
            on_liquidate=lambda _: (),
            on_kill=lambda _: None,
            market_price=lambda _: MarketPrice(D(1), 0.0),
        )
        for _ in range(data.draw(st.integers(10, 60), label="steps")):
            clock.advance_ms(data.draw(st.sampled_from([0, 1, 900, 20_000]), label="pause"))
            now_s = clock.monotonic_s()
            symbol = data.draw(st.sampled_from(SYMBOLS), label="symbol")
            bot = data.draw(st.integers(0, 16), label="bot")  # the last one is the trader's hand
            tick = data.draw(st.sampled_from([-1, 0, 1]), label="tick")
            size = data.draw(st.sampled_from(["limit", "small", "some"]), label="size")
            cents = {"limit": oracle.room(symbol) + tick, "small": 5_000 + tick}.get(
                size, data.draw(st.integers(1, 250_000), label="cents")
            )
            if cents <= 0:
                continue
            if data.draw(st.integers(0, 9), label="exit") == 0:
                exit_ = _order(next(numbers), bot, symbol, cents, is_exit=True)
                assert capital.reserve(exit_) is None
                assert risk.check(exit_) is None  # never blocked, and it counts
                oracle.times_s.append(now_s)
                continue
            request = _order(next(numbers), bot, symbol, cents)
            denial = capital.reserve(request) or risk.check(request)
            assert (denial is None) is oracle.allows(symbol, cents, now_s), denial
            if denial is None:
                oracle.held[symbol] = oracle.held.get(symbol, 0) + cents
                oracle.orders.append(cents)
                oracle.times_s.append(now_s)
                continue
            assert any(character.isdigit() for character in denial.text), denial
            if denial.code == "orders_per_minute":
                oracle.cool_until_s = now_s + 60
            capital.give_back(request.client_order_id)
        figures = capital.figures()
        assert figures.committed == D(sum(oracle.held.values())) / 100
        assert figures.symbols == oracle.held.keys()
        database.close()


def _order(
    number: int, bot: int, symbol: str, cents: int, *, is_exit: bool = False
) -> OrderRequest:
    is_manual = bot == 16
    return OrderRequest(
        client_order_id=f"o{number}",
        account="main",
        bot_id="" if is_manual else f"bot-{bot}",
        strategy="manual" if is_manual else "test",
        symbol=symbol,
        side=Side.SELL if is_exit else Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D(cents) / 100,
        reference_price=D(1),
        purpose=OrderPurpose.EXIT if is_exit else OrderPurpose.ENTRY,
        created_ms=0,
        reduce_only=is_exit,
    )
