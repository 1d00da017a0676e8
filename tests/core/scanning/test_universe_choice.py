"""Which symbols are watched, and which filter kept the others out."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.candles import Ticker
from core.models.instruments import Instrument
from core.scanning.settings import ScanSettings
from core.scanning.universe import Universe, choose_universe

DAY_MS = 86_400_000
NOW_MS = 1_767_571_200_000
ONE = Decimal(1)


def instrument(symbol: str, **fields: object) -> Instrument:
    values: dict[str, object] = {
        "exchange": "bybit", "symbol": symbol, "base": symbol[:-4], "quote": "USDT",
        "tick_size": ONE, "quantity_step": ONE, "min_quantity": ONE, "max_quantity": ONE,
        "min_notional": ONE, "max_leverage": ONE,
    }  # fmt: skip
    return Instrument(**(values | fields))  # type: ignore[arg-type]


def ticker(symbol: str, turnover: int | None, **fields: object) -> Ticker:
    amount = None if turnover is None else Decimal(turnover)
    values: dict[str, object] = {
        "exchange": "bybit", "symbol": symbol, "last_price": Decimal(100),
        "exchange_time_ms": NOW_MS, "turnover_24h": amount,
    }  # fmt: skip
    return Ticker(**(values | fields))  # type: ignore[arg-type]


def choose(
    tickers: list[Ticker],
    settings: ScanSettings | None = None,
    instruments: list[Instrument] | None = None,
    taken: tuple[str, ...] = (),
) -> Universe:
    known = instruments or [instrument(ticker.symbol) for ticker in tickers]
    return choose_universe(
        tickers,
        {one.symbol: one for one in known},
        settings or ScanSettings(min_turnover_24h=Decimal(0)),
        now_ms=NOW_MS,
        taken=taken,
    )


def test_the_most_traded_are_watched_and_equals_are_ordered_by_name() -> None:
    tickers = [ticker("CUSDT", 5), ticker("BUSDT", 9), ticker("DUSDT", 5), ticker("AUSDT", 5)]
    settings = ScanSettings(watch_count=3, min_turnover_24h=Decimal(0))
    chosen = choose(tickers, settings)
    assert chosen.symbols == ("BUSDT", "AUSDT", "CUSDT")
    assert chosen.left_out == {"rank": 1}
    assert chosen == choose(tickers[::-1], settings)


@pytest.mark.parametrize(
    ("reason", "settings", "bad"),
    [
        ("blocklist", ScanSettings(blocklist=("BUSDT",)), ticker("BUSDT", 10**9)),
        ("turnover", ScanSettings(min_turnover_24h=Decimal(11)), ticker("BUSDT", 10)),
        ("turnover", ScanSettings(min_turnover_24h=Decimal(11)), ticker("BUSDT", None)),
        (
            "spread",
            ScanSettings(max_spread_ratio=Decimal("0.001")),
            ticker("BUSDT", 10**9, bid_price=Decimal("99.9"), ask_price=Decimal("100.1")),
        ),
    ],
)
def test_each_filter_keeps_out_what_it_should_and_counts_it(
    reason: str, settings: ScanSettings, bad: Ticker
) -> None:
    good = ticker("AUSDT", 10**9, bid_price=Decimal("99.99"), ask_price=Decimal("100.01"))
    chosen = choose([good, bad], settings)
    assert chosen.symbols == ("AUSDT",)
    assert chosen.left_out == {reason: 1, "rank": 0}


def test_a_new_listing_waits_for_its_age_and_an_unknown_one_does_not() -> None:
    names = ("OLDUSDT", "NEWUSDT", "ANYUSDT")
    instruments = [
        instrument("OLDUSDT", listed_ms=NOW_MS - 30 * DAY_MS),
        instrument("NEWUSDT", listed_ms=NOW_MS - 30 * DAY_MS + 1),
        instrument("ANYUSDT", listed_ms=None),
    ]
    chosen = choose([ticker(name, 10**9) for name in names], ScanSettings(), instruments)
    assert chosen.symbols == ("ANYUSDT", "OLDUSDT")
    assert chosen.left_out["listing"] == 1


def test_another_bots_symbol_is_left_to_it() -> None:
    chosen = choose([ticker("AUSDT", 2), ticker("BUSDT", 1)], taken=("AUSDT",))
    assert chosen.symbols == ("BUSDT",)
    assert chosen.left_out["taken"] == 1


def test_what_is_not_traded_here_is_no_candidate() -> None:
    instruments = [instrument("AUSDT"), instrument("BUSDT", is_trading=False)]
    tickers = [ticker("AUSDT", 1), ticker("BUSDT", 2), ticker("CUSDT", 3)]
    assert choose(tickers, instruments=instruments).symbols == ("AUSDT",)


@given(
    turnovers=st.dictionaries(st.sampled_from([f"{c}USDT" for c in "ABCDEFGH"]), st.integers(0, 9)),
    watch_count=st.integers(1, 10),
    least=st.integers(0, 9),
    blocked=st.sets(st.sampled_from(["AUSDT", "BUSDT"])),
    taken=st.sets(st.sampled_from(["BUSDT", "CUSDT"])),
)
def test_every_ticker_is_watched_or_counted_once(
    turnovers: dict[str, int], watch_count: int, least: int, blocked: set[str], taken: set[str]
) -> None:
    settings = ScanSettings(
        watch_count=watch_count, min_turnover_24h=Decimal(least), blocklist=tuple(blocked)
    )
    tickers = [ticker(symbol, turnover) for symbol, turnover in turnovers.items()]
    chosen = choose(tickers, settings, taken=tuple(taken))
    assert len(chosen.symbols) + sum(chosen.left_out.values()) == len(tickers)
    assert not set(chosen.symbols) & (blocked | taken)
    assert all(turnovers[symbol] >= least for symbol in chosen.symbols)
    worst = min((turnovers[symbol] for symbol in chosen.symbols), default=9)
    fit = {s for s, t in turnovers.items() if t >= least} - blocked - taken
    assert all(turnovers[symbol] <= worst for symbol in fit - set(chosen.symbols))


def test_a_universe_within_new_settings_asks_for_no_figures() -> None:
    universe = Universe(("AUSDT", "BUSDT", "CUSDT"), NOW_MS)
    settings = ScanSettings(watch_count=1, blocklist=("AUSDT",))
    assert universe.within(settings).symbols == ("BUSDT",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("watch_count", 0),
        ("scan_interval_s", 0),
        ("signal_threshold", 101),
        ("position_limit", 0),
        ("cooldown_s", -1),
        ("min_turnover_24h", "-1"),
        ("min_turnover_24h", "NaN"),
        ("max_spread_ratio", "0"),
        ("max_spread_ratio", "1.1"),
        ("blocklst", []),
    ],
)
def test_settings_that_mean_nothing_are_refused(field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: value}, ScanSettings)


def test_settings_survive_the_link_and_the_disk() -> None:
    settings = ScanSettings(min_turnover_24h=Decimal("1.50"), blocklist=("AUSDT",))
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(settings), type=ScanSettings) == settings
