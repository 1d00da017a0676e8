"""Price alerts: set by the trader, fired by the engine, whether a screen is open or not.

An alert waits for a rise or a fall from the price there was when it was set, so a jump over it
counts as well as a touch. One that repeats then waits for the way back; what comes within a minute
of its last word is not said again, for a price that dances on a line.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import msgspec

from core.alerts.alert_book import AlertBook
from core.alerts.price_levels import PriceLevels
from core.clock import Clock
from core.events import MarketData
from core.models.alerts import AlertState, AlertWish, PriceAlert
from core.refusal import Refused

Kept = TypeVar("Kept")
MOST_ALERTS = 500
QUIET_S = 60.0  # real seconds between two words of one repeating alert


class PriceAlerts:
    """`price_of(exchange, symbol)` is the newest price or None, `on_fired(alert, price)` hears of
    each that fires."""

    def __init__(
        self,
        book: AlertBook,
        *,
        clock: Clock,
        exchange_of: Callable[[str], str | None],
        price_of: Callable[[str, str], Decimal | None],
        on_fired: Callable[[PriceAlert, Decimal], None],
    ) -> None:
        """`exchange_of(symbol)` names the exchange that is meant where none is named."""
        self._book = book
        self._clock = clock
        self._exchange_of = exchange_of
        self._price_of = price_of
        self._on_fired = on_fired
        self._alerts = {alert.alert_id: alert for alert in book.load()}
        self._levels: dict[tuple[str, str], PriceLevels] = {}
        self._said_s: dict[int, float] = {}
        for alert in self._alerts.values():
            self._watch(alert)

    def snapshot(self) -> list[PriceAlert]:
        """Oldest first."""
        return list(self._alerts.values())

    def symbols(self, exchange: str) -> set[str]:
        """Those with an alert that waits."""
        return {symbol for owner, symbol in self._levels if owner == exchange}

    def add(self, wish: AlertWish) -> str:
        """What the trader is told. Raises Refused."""
        if len(self._alerts) >= MOST_ALERTS:
            raise Refused(f"There are {MOST_ALERTS} alerts already: delete some first.")
        wish, rise = self._checked(wish)
        alert = PriceAlert(
            alert_id=0, wish=wish, waits_for_rise=rise, created_ms=self._clock.time_ms()
        )
        alert = self._kept(lambda: self._book.add(alert))
        self._alerts[alert.alert_id] = alert
        self._watch(alert)
        return f"{wish.symbol}: an alert waits at {wish.price}."

    def move(self, alert_id: int, price: Decimal) -> str:
        """The line it stands on was dragged; one that had fired waits again. Raises Refused."""
        old = self._known(alert_id)
        wish, rise = self._checked(msgspec.structs.replace(old.wish, price=price))
        alert = msgspec.structs.replace(
            old, wish=wish, waits_for_rise=rise, state=AlertState.WAITING
        )
        self._replace(alert)
        self._said_s.pop(alert_id, None)
        return f"{wish.symbol}: the alert waits at {price}."

    def remove(self, alert_id: int) -> str:
        """Raises Refused."""
        alert = self._known(alert_id)
        self._kept(lambda: self._book.remove(alert_id))
        self._unwatch(alert)
        del self._alerts[alert_id]
        self._said_s.pop(alert_id, None)
        return f"{alert.wish.symbol}: the alert at {alert.wish.price} is deleted."

    def on_market_data(self, event: MarketData) -> None:
        """A new price; nothing is looked at where none of its symbol's alerts is reached."""
        if event.ticker is None:
            return
        levels = self._levels.get((event.exchange, event.symbol))
        if levels is None:
            return
        price = event.ticker.last_price
        for alert_id in levels.crossed(price):
            self._fire(self._alerts[alert_id], price)

    def expire(self) -> None:
        """End those whose time is over; call it every few seconds."""
        now_ms = self._clock.time_ms()
        for alert in list(self._alerts.values()):
            if alert.state is AlertState.WAITING and _is_over(alert, now_ms):
                self._replace(msgspec.structs.replace(alert, state=AlertState.EXPIRED))

    def _fire(self, alert: PriceAlert, price: Decimal) -> None:
        now_ms, now_s = self._clock.time_ms(), self._clock.monotonic_s()
        if _is_over(alert, now_ms):
            self._replace(msgspec.structs.replace(alert, state=AlertState.EXPIRED))
            return
        repeats = alert.wish.repeats
        fired = msgspec.structs.replace(
            alert,
            waits_for_rise=alert.waits_for_rise != repeats,
            state=AlertState.WAITING if repeats else AlertState.FIRED,
            fired_ms=now_ms,
            fired_count=alert.fired_count + 1,
        )
        said_s = self._said_s.get(alert.alert_id)
        self._set(fired)
        if said_s is None or now_s - said_s >= QUIET_S:
            self._said_s[alert.alert_id] = now_s
            self._on_fired(fired, price)
        self._kept(lambda: self._book.update(fired))  # told first: a full disk silences nobody

    def _checked(self, wish: AlertWish) -> tuple[AlertWish, bool]:
        """With its exchange, and whether it waits for a rise."""
        exchange = wish.exchange or self._exchange_of(wish.symbol)
        price = None if exchange is None else self._price_of(exchange, wish.symbol)
        if exchange is None or price is None:
            raise Refused(f"There is no price of {wish.symbol} yet.")
        if not wish.price.is_finite() or wish.price <= 0:
            raise Refused("An alert needs a price above zero.")
        if wish.price == price:
            raise Refused(f"{wish.symbol} is at {price} already.")
        if wish.expires_ms is not None and wish.expires_ms <= self._clock.time_ms():
            raise Refused("The alert would be over before it begins.")
        return msgspec.structs.replace(wish, exchange=exchange), wish.price > price

    def _known(self, alert_id: int) -> PriceAlert:
        alert = self._alerts.get(alert_id)
        if alert is None:
            raise Refused("That alert is not there any more.")
        return alert

    def _replace(self, alert: PriceAlert) -> None:
        self._kept(lambda: self._book.update(alert))
        self._set(alert)

    def _set(self, alert: PriceAlert) -> None:
        self._unwatch(alert)
        self._alerts[alert.alert_id] = alert
        self._watch(alert)

    @staticmethod
    def _kept(write: Callable[[], Kept]) -> Kept:
        try:
            return write()
        except sqlite3.Error as fault:
            raise Refused(f"The alert could not be kept on disk: {fault}.") from None

    def _watch(self, alert: PriceAlert) -> None:
        if alert.state is AlertState.WAITING:
            key = (alert.wish.exchange, alert.wish.symbol)
            levels = self._levels.setdefault(key, PriceLevels())
            levels.add(alert.alert_id, alert.wish.price, waits_for_rise=alert.waits_for_rise)

    def _unwatch(self, alert: PriceAlert) -> None:
        key = (alert.wish.exchange, alert.wish.symbol)
        levels = self._levels.get(key)
        if levels is not None:
            levels.remove(alert.alert_id)
            if not levels:
                del self._levels[key]


def _is_over(alert: PriceAlert, now_ms: int) -> bool:
    expires_ms = alert.wish.expires_ms
    return expires_ms is not None and now_ms >= expires_ms
