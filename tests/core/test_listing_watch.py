"""What an exchange trades changes while the engine runs."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.events import Severity
from core.exchange_port import Unavailable
from core.listing_watch import ListingWatch
from core.models.instruments import Instrument

D = Decimal


def instrument(symbol: str, **changes: object) -> Instrument:
    made = Instrument(
        exchange="bybit",
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=D("0.1"),
        quantity_step=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(100),
        min_notional=D(5),
        max_leverage=D(50),
    )
    return msgspec.structs.replace(made, **changes)


class Desk:
    """An account with a position in SOL and a bot for BTC."""

    exchange = "bybit"

    def __init__(self) -> None:
        self.listed = [instrument(f"{base}USDT") for base in ("BTC", "ETH", "SOL")]
        self.known = {one.symbol: one for one in self.listed}
        self.told: list[tuple[Severity, str]] = []
        self.changes = 0
        self.watch = ListingWatch(
            self,  # type: ignore[arg-type]  # the rest of a port is not asked
            self.known,
            held=lambda: {"SOLUSDT"},
            followed=lambda: {"BTCUSDT"},
            tell=lambda text, severity: self.told.append((severity, text)),
            on_change=self._changed,
        )

    async def fetch_instruments(self) -> list[Instrument]:
        return self.listed

    def _changed(self) -> None:
        self.changes += 1

    def without(self, symbol: str) -> None:
        self.listed = [one for one in self.listed if one.symbol != symbol]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("symbol", "told"),
    [
        ("BTCUSDT", [(Severity.WARNING,
                      "bybit trades BTCUSDT no longer: nothing is entered there.")]),
        ("SOLUSDT", [(Severity.DANGER,
                      "bybit trades SOLUSDT no longer, and a position is open: look at the "
                      "exchange how it ends.")]),
        ("ETHUSDT", []),  # nobody's
    ],
)  # fmt: skip
async def test_a_symbol_that_vanishes_is_known_and_closed_to_entries(
    desk: Desk, symbol: str, told: list[tuple[Severity, str]]
) -> None:
    desk.without(symbol)
    for _ in range(2):
        await desk.watch.look()
    assert desk.known[symbol] == instrument(symbol, is_trading=False)
    assert (desk.told, desk.changes) == (told, 1)
    assert all(one.is_trading for name, one in desk.known.items() if name != symbol)


async def test_a_symbol_that_is_named_as_closed_is_closed(desk: Desk) -> None:
    desk.listed[0] = instrument("BTCUSDT", is_trading=False)
    await desk.watch.look()
    assert not desk.known["BTCUSDT"].is_trading
    assert len(desk.told) == 1


async def test_a_symbol_that_comes_back_is_traded_again(desk: Desk) -> None:
    before = desk.listed
    desk.without("BTCUSDT")
    await desk.watch.look()
    desk.listed = before
    await desk.watch.look()
    assert desk.known["BTCUSDT"].is_trading
    assert desk.changes == 2


async def test_new_symbols_and_other_ticks_are_taken_and_shown(desk: Desk) -> None:
    await desk.watch.look()
    assert desk.changes == 0
    desk.listed = [*desk.listed[:2], instrument("SOLUSDT", tick_size=D("0.01"))]
    desk.listed.append(instrument("NEWUSDT"))
    await desk.watch.look()
    assert desk.known["NEWUSDT"].is_trading
    assert desk.known["SOLUSDT"].tick_size == D("0.01")
    assert (desk.told, desk.changes) == ([], 1)


async def test_another_largest_order_is_taken_in_silence(desk: Desk) -> None:
    desk.listed[0] = instrument("BTCUSDT", max_quantity=D(7))
    await desk.watch.look()
    assert desk.known["BTCUSDT"].max_quantity == 7
    assert desk.changes == 0


async def test_an_empty_list_is_believed_of_no_exchange(desk: Desk) -> None:
    desk.listed = []
    await desk.watch.look()
    assert all(one.is_trading for one in desk.known.values())
    assert desk.told == []


async def test_a_list_that_cannot_be_read_changes_nothing(desk: Desk) -> None:
    async def fail() -> list[Instrument]:
        raise Unavailable("Bybit did not answer.")

    desk.fetch_instruments = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await desk.watch.look()
    assert all(one.is_trading for one in desk.known.values())
