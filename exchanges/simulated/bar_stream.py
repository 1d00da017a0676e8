"""One candle series of a venue as a stream tells it: the forming bar as it changes, each closed
bar once and in order."""

from __future__ import annotations

from core.models.candles import Candle, Timeframe
from exchanges.simulated.venue import Venue

_MOST_BARS = 1_000


class BarStream:
    """Begins with the bar that is forming when it is made, as a fresh subscription does."""

    def __init__(self, venue: Venue, symbol: str, timeframe: Timeframe) -> None:
        self._venue = venue
        self._symbol = symbol
        self._timeframe = timeframe
        self._open_ms = timeframe.floor_ms(venue.time_ms())  # oldest bar not yet told as closed
        self._shown: Candle | None = None

    def closed(self) -> list[Candle]:
        """Bars that have closed since the last call, oldest first; one without trades is none."""
        forming_open_ms = self._timeframe.floor_ms(self._venue.time_ms())
        bars: list[Candle] = []
        while self._open_ms < forming_open_ms:
            # A page at most, from the old end: the venue gives the newest bars of a range.
            page_ms = self._timeframe.duration_ms * (_MOST_BARS - 1)
            end_ms = min(forming_open_ms - 1, self._open_ms + page_ms)
            bars += self._venue.candles(
                self._symbol,
                self._timeframe,
                start_ms=self._open_ms,
                end_ms=end_ms,
                limit=_MOST_BARS,
            )
            self._open_ms = self._timeframe.next_open_ms(end_ms)
        return bars

    def forming(self) -> Candle | None:
        """The unfinished bar if it has changed since the last call."""
        start_ms = self._timeframe.floor_ms(self._venue.time_ms())
        bars = self._venue.candles(self._symbol, self._timeframe, start_ms=start_ms, limit=1)
        if not bars or bars[-1] == self._shown:
            return None
        self._shown = bars[-1]
        return self._shown
