"""Each rule alone, at its limit and one tick to either side; the sentence names the numbers."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.capital.report import CapitalFigures
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from core.risk.rule import MarketPrice, RiskFacts, RiskLimits, Rule, SymbolLimits, percent
from core.risk.rules import RULES
from core.risk.rules.capital_in_use import CapitalInUseRule
from core.risk.rules.gross_exposure import GrossExposureRule
from core.risk.rules.largest_position import LargestPositionRule
from core.risk.rules.open_symbols import OpenSymbolsRule
from core.risk.rules.price_distance import PriceDistanceRule
from core.risk.rules.price_jump import PriceJumpRule
from core.risk.rules.stale_price import StalePriceRule
from core.risk.rules.symbol_limits import SymbolLimitsRule

D = Decimal
FIGURES = CapitalFigures(
    total=D(10_000),
    committed=D(0),
    equity=D(10_000),
    drawdown=D(0),
    daily_pnl=D(0),
    day_base=D(10_000),
    day_start_ms=0,
    largest_symbol=D(0),
    symbols=frozenset(),
)
FACTS = RiskFacts(
    limits=RiskLimits(),
    capital=FIGURES,
    cap_ratio=D("0.8"),
    recent_notionals=[],
    orders_last_minute=0,
)


def order(notional: str = "100", **changes: object) -> OrderRequest:
    request = OrderRequest(
        client_order_id="order-1",
        account="main",
        bot_id="bot-1",
        strategy="test",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D(notional) / 100,
        reference_price=D(100),
        purpose=OrderPurpose.ENTRY,
        created_ms=0,
    )
    return msgspec.structs.replace(request, **changes)


def facts(capital: dict[str, object] | None = None, **changes: object) -> RiskFacts:
    figures = msgspec.structs.replace(FIGURES, **(capital or {}))
    return msgspec.structs.replace(FACTS, capital=figures, **changes)


def limits(**symbol: object) -> RiskLimits:
    return RiskLimits(symbols={"BTCUSDT": SymbolLimits(**symbol)})  # type: ignore[arg-type]


def text_of(rule: Rule, request: OrderRequest, seen: RiskFacts) -> str:
    denial = rule.deny(request, seen)
    if denial is None:
        return ""
    assert denial.code == rule.name
    return denial.text


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_rule_asks_nothing_unless_it_says_so() -> None:
    assert Rule().breach(FACTS) == ""
    assert Rule().deny(order(), FACTS) is None
    assert Rule().bar(FACTS) is None


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        ("0.03", "3 %"),
        ("0.030001", "3.01 %"),
        ("0.0301", "3.01 %"),
        ("0.2", "20 %"),
        ("1", "100 %"),
    ],
)
def test_a_ratio_above_a_limit_never_reads_as_if_it_were_at_it(ratio: str, words: str) -> None:
    assert percent(D(ratio)) == words


def test_the_limits_are_the_specifications_unless_the_trader_says_otherwise() -> None:
    assert RiskLimits() == RiskLimits(
        max_daily_loss=D("0.03"),
        max_position_share=D("0.20"),
        max_gross_share=D("0.80"),
        max_symbols=50,
        max_order_multiple=D(10),
        order_average_of=20,
        order_average_from=5,
        max_orders_per_minute=10,
        max_failed_orders=5,
        cool_down_s=60.0,
        max_drawdown=D("0.15"),
        max_price_age_s=15.0,
        max_price_jump=D("0.03"),
        max_price_through=D("0.05"),
        max_price_away=D("0.50"),
        symbols={},
    )


@pytest.mark.parametrize("rule", [CapitalInUseRule(), LargestPositionRule()])
@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_part_of_nothing_is_shown_as_nothing(rule: Rule, amount: str) -> None:
    empty = facts(
        {"total": D(amount), "equity": D(amount), "committed": D(5), "largest_symbol": D(5)}
    )
    bar = rule.bar(empty)
    assert bar is not None
    assert bar.used == 0.0


def test_bars_of_a_small_account_are_exact_too() -> None:
    small = facts({"total": D("0.5"), "equity": D("0.5"), "committed": D("0.1")})
    bar = CapitalInUseRule().bar(small)
    assert (bar.used, bar.limit) == (20.0, 80.0)
    small = facts({"equity": D("0.5"), "largest_symbol": D("0.1")})
    bar = LargestPositionRule().bar(small)
    assert bar is not None
    assert (bar.used, bar.limit) == (20.0, 20.0)


def test_shares_of_a_small_equity_are_named() -> None:
    seen = facts({"equity": D("0.5")}, held_by_symbol=D("0.1"), held_in_all=D("0.4"))
    assert text_of(LargestPositionRule(), order("0.1"), seen) == (
        "BTCUSDT would hold 40 % of the equity, above 20 %"
    )
    assert text_of(GrossExposureRule(), order("0.1"), seen) == (
        "positions and orders would hold 100 % of the equity, above 80 %"
    )


# symbol limits


def test_a_symbol_may_be_closed_to_new_positions() -> None:
    text = text_of(SymbolLimitsRule(), order(), facts(limits=limits(is_allowed=False)))
    assert text == "BTCUSDT may only be closed, by the limits set for it"
    assert text_of(SymbolLimitsRule(), order(symbol="ETHUSDT"), facts(limits=limits())) == ""


@pytest.mark.parametrize(
    ("notional", "text"),
    [
        ("499.99", ""),
        ("500", ""),
        ("500.01", "an order of 500.01 is above BTCUSDT's limit of 500.00"),
    ],
)
def test_an_order_in_a_symbol_has_a_limit_of_its_own(notional: str, text: str) -> None:
    seen = facts(limits=limits(max_order_notional=D(500)))
    assert text_of(SymbolLimitsRule(), order(notional), seen) == text


@pytest.mark.parametrize(
    ("notional", "text"),
    [("300", ""), ("300.01", "BTCUSDT would hold 1,000.01, above its limit of 1,000.00")],
)
def test_a_position_in_a_symbol_has_a_limit_of_its_own(notional: str, text: str) -> None:
    seen = facts(limits=limits(max_position_notional=D(1_000)), held_by_symbol=D(700))
    assert text_of(SymbolLimitsRule(), order(notional), seen) == text


@pytest.mark.parametrize(
    ("share", "notional", "is_denied"),
    [
        ("0.05", "500", False),
        ("0.05", "500.01", True),
        ("0.9", "2000", False),  # a symbol's own limit only tightens
        ("0.9", "2000.01", True),
    ],
)
def test_a_symbols_share_of_the_equity_can_be_tightened(
    share: str, notional: str, is_denied: bool
) -> None:
    seen = facts(limits=limits(max_position_share=D(share)))
    assert bool(text_of(LargestPositionRule(), order(notional), seen)) is is_denied


# the account as a whole


@pytest.mark.parametrize(
    ("notional", "text"),
    [
        ("2999.99", ""),
        ("3000", ""),
        ("3000.01", "positions and orders would hold 80.01 % of the equity, above 80 %"),
    ],
)
def test_all_symbols_together_hold_at_most_80_percent_of_the_equity(
    notional: str, text: str
) -> None:
    assert text_of(GrossExposureRule(), order(notional), facts(held_in_all=D(5_000))) == text


def test_open_losses_tighten_what_all_may_hold() -> None:
    seen = facts({"equity": D(6_000)}, held_in_all=D(4_700))
    assert text_of(GrossExposureRule(), order("100"), seen) == ""
    assert text_of(GrossExposureRule(), order("100.01"), seen) != ""
    for nothing in ("0", "-1"):
        assert text_of(GrossExposureRule(), order("1"), facts({"equity": D(nothing)})) == (
            "positions and orders would hold all of the equity, above 80 %"
        )


@pytest.mark.parametrize(
    ("open_symbols", "held", "text"),
    [
        (["ETHUSDT"], 0, ""),
        (["ETHUSDT", "SOLUSDT"], 0, "2 symbols are held or ordered already, 2 are allowed"),
        (["BTCUSDT", "ETHUSDT"], 0, ""),  # the order's own reservation
        (["BTCUSDT", "ETHUSDT", "SOLUSDT"], 1, ""),  # more of what is held is no new symbol
        (
            ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
            0,
            "2 symbols are held or ordered already, 2 are allowed",
        ),
    ],
)
def test_one_more_symbol_may_be_one_too_many(open_symbols: list[str], held: int, text: str) -> None:
    seen = facts(
        {"symbols": frozenset(open_symbols)},
        limits=RiskLimits(max_symbols=2),
        held_by_symbol=D(held),
    )
    assert text_of(OpenSymbolsRule(), order(), seen) == text


# prices


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(0.0, ""), (15.0, ""), (15.1, "the newest price of BTCUSDT is 15.1 s old, above 15 s")],
)
def test_an_order_against_an_old_price_is_denied(age_s: float, text: str) -> None:
    seen = facts(price=MarketPrice(D(100), age_s), follows_prices=True)
    assert text_of(StalePriceRule(), order(), seen) == text


def test_an_order_without_any_price_is_denied_where_prices_are_followed() -> None:
    assert text_of(StalePriceRule(), order(), facts(follows_prices=True)) == (
        "no price of BTCUSDT has come yet"
    )
    assert text_of(StalePriceRule(), order(), facts()) == ""
    assert text_of(PriceDistanceRule(), order(), facts(follows_prices=True)) == ""


@pytest.mark.parametrize(
    ("side", "price", "is_denied"),
    [
        (Side.BUY, "105", False),
        (Side.BUY, "105.01", True),
        (Side.BUY, "50", False),
        (Side.BUY, "49.99", True),
        (Side.SELL, "95", False),
        (Side.SELL, "94.99", True),
        (Side.SELL, "150", False),
        (Side.SELL, "150.01", True),
    ],
)
def test_a_limit_price_has_little_room_through_the_market_and_more_away_from_it(
    side: Side, price: str, is_denied: bool
) -> None:
    request = order(order_type=OrderType.LIMIT, side=side, price=D(price), reference_price=D(1))
    seen = facts(price=MarketPrice(D(100), 0.0))
    assert bool(text_of(PriceDistanceRule(), request, seen)) is is_denied


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(
    ("price", "is_denied"), [("105", False), ("105.01", True), ("95", False), ("94.99", True)]
)
def test_the_price_a_market_order_was_sized_by_is_the_markets(
    side: Side, price: str, is_denied: bool
) -> None:
    request = order(side=side, reference_price=D(price))
    seen = facts(price=MarketPrice(D(100), 0.0))
    assert bool(text_of(PriceDistanceRule(), request, seen)) is is_denied


@pytest.mark.parametrize(
    ("price", "median", "mark", "is_denied"),
    [
        ("103", "100", "100", False),
        ("103.01", "100", "100", True),
        ("96.99", "100", "100", True),
        ("110", "100", "109", False),  # a real move: the mark price has followed
        ("110", "108", "100", False),  # the move has lasted for half a minute
        ("110", "100", None, True),  # no mark price there
        ("110", None, "100", True),  # nothing is known of the last minute
        ("110", None, None, False),  # nobody could agree
    ],
)
def test_a_price_that_no_witness_agrees_with_enters_nothing(
    price: str, median: str | None, mark: str | None, is_denied: bool
) -> None:
    said = [D(text) if text else None for text in (median, mark)]
    seen = facts(price=MarketPrice(D(price), 0.0, *said))
    assert bool(text_of(PriceJumpRule(), order(), seen)) is is_denied


def test_a_jump_is_named_with_its_witnesses() -> None:
    seen = facts(price=MarketPrice(D(110), 0.0, D(100), D(125)))
    assert text_of(PriceJumpRule(), order(), seen) == (
        "the last price of BTCUSDT, 110, is 10 % above the median of the last minute and 12 % "
        "below the mark price; above 3 % entries wait until one of them agrees"
    )
    assert text_of(PriceJumpRule(), order(), facts()) == ""


def test_without_a_limit_price_the_reference_is_what_counts() -> None:
    seen = facts(price=MarketPrice(D(100), 0.0))
    no_price = order(order_type=OrderType.LIMIT, price=None, reference_price=D(106))
    assert text_of(PriceDistanceRule(), no_price, seen).startswith("the reference price 106 is")
    stop = order(order_type=OrderType.STOP_MARKET, price=D(300), reference_price=D(100))
    assert text_of(PriceDistanceRule(), stop, seen) == ""


def test_a_slipped_digit_is_named_with_the_markets_price() -> None:
    seen = facts(price=MarketPrice(D("64000.5"), 0.0))
    cheap = order(order_type=OrderType.LIMIT, price=D(6_400))
    assert text_of(PriceDistanceRule(), cheap, seen) == (
        "the limit price 6400 is 90.01 % below the market's 64000.5, 50 % are allowed"
    )
    dear = order(order_type=OrderType.LIMIT, price=D(70_400))
    assert text_of(PriceDistanceRule(), dear, seen) == (
        "the limit price 70400 is 10 % above the market's 64000.5, 5 % are allowed"
    )
    by_reference = order(reference_price=D(1))
    assert "the reference price 1 is 100 % below" in text_of(
        PriceDistanceRule(), by_reference, seen
    )
