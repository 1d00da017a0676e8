"""What an exchange trades, read again every hour: symbols are listed, closed to entries, renamed.

A symbol that is traded no longer stays known, for what is held of it has to be closed; nothing is
entered in it any more (fault C17).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import msgspec

from core.events import Severity
from core.exchange_port import ExchangeError, MarketDataPort
from core.models.instruments import Instrument

LOOK_INTERVAL_S = 3_600.0  # real


class ListingWatch:
    """Keeps one account's instruments up to date, in place."""

    def __init__(
        self,
        port: MarketDataPort,
        instruments: dict[str, Instrument],
        *,
        held: Callable[[], Collection[str]],
        followed: Callable[[], Collection[str]],
        tell: Callable[[str, Severity], None],
        on_change: Callable[[], None],
    ) -> None:
        """`held()` are the symbols with a position, `followed()` those of the account's bots: of
        what happens to these the trader is told. `on_change()`: another list, or other ticks."""
        self._port = port
        self._instruments = instruments
        self._held = held
        self._followed = followed
        self._tell = tell
        self._on_change = on_change

    async def run(self) -> None:
        """For ever. A question that fails is asked again in an hour: nothing has become wrong."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            try:
                await self.look()
            except ExchangeError as fault:
                self._tell(f"The list of symbols could not be read: {fault.text}", Severity.INFO)

    async def look(self) -> None:
        """Read the list now. Raises ExchangeError."""
        found = {one.symbol: one for one in await self._port.fetch_instruments()}
        if not found:
            return  # no exchange trades nothing
        before = {symbol: _shape(one) for symbol, one in self._instruments.items()}
        closed = [
            symbol
            for symbol, one in self._instruments.items()
            if one.is_trading and not (symbol in found and found[symbol].is_trading)
        ]
        self._instruments.update(found)
        for symbol in closed:
            one = self._instruments[symbol]
            self._instruments[symbol] = msgspec.structs.replace(one, is_trading=False)
            self._tell_closed(symbol)
        if before != {symbol: _shape(one) for symbol, one in self._instruments.items()}:
            self._on_change()

    def _tell_closed(self, symbol: str) -> None:
        words = f"{self._port.exchange} trades {symbol} no longer"
        if symbol in self._held():
            text = f"{words}, and a position is open: look at the exchange how it ends."
            self._tell(text, Severity.DANGER)
        elif symbol in self._followed():
            self._tell(f"{words}: nothing is entered there.", Severity.WARNING)


def _shape(one: Instrument) -> tuple[object, ...]:
    """What a screen shows of it; limits of size change often and are asked of the engine."""
    return one.is_trading, one.tick_size, one.quantity_step
