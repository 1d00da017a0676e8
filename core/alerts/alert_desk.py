"""Everything that calls the trader: price alerts, the health watch, and the messages that go out.

On the screen each is a notice of the ordered list; what is chosen to go out waits in the outbox,
from which `app/notify` sends it. None of it may stop the engine: a full disk costs the message.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import msgspec

from core.account_desk import AccountDesk
from core.alerts.alert_book import AlertBook
from core.alerts.health_watch import HealthFacts, HealthWatch, MachineLoad
from core.alerts.outbox import Outbox
from core.alerts.price_alerts import PriceAlerts
from core.clock import Clock
from core.event_bus import EventBus
from core.events import MarketData, Order, Reject
from core.market_feed import MarketFeed
from core.models.alerts import PriceAlert, SendingSnapshot
from core.models.orders import OrderStatus
from core.record_feed import RecordFeed
from core.refusal import Refused
from core.snapshots import FeedItem, Notice
from core.storage.database import open_database

log = logging.getLogger(__name__)
LOOK_EVERY_S = 5.0
NO_CHANNEL = "There is no channel yet: add one first."
SILENT_ALERT = "silent"  # a notice's code: no sound
_FIRED = "Price alert"
_PRICE_ALERTS = "price alerts"  # who needs a price
_SENT_TITLES = {"Health": "health", "Trade closed": "trade"}


class Sender(Protocol):
    """Takes messages from the outbox and sends them; lives in `app`."""

    async def send_test(self) -> str:
        """Raises Refused."""

    def snapshot(self) -> SendingSnapshot:
        """Channels and fault; the outbox knows the rest."""


class AlertDesk:
    """Attributes: prices, outbox; measure_machine and sender, which `app` may set."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        bus: EventBus,
        feeds: Mapping[str, MarketFeed],
        desks: Mapping[str, AccountDesk],
        records: RecordFeed,
    ) -> None:
        """`path` is the file they are kept in."""
        self._feeds, self._desks, self._records = feeds, desks, records
        self._database = open_database(path)
        self.outbox = Outbox(self._database, clock)
        self.prices = PriceAlerts(
            AlertBook(self._database),
            clock=clock,
            exchange_of=self._exchange_of,
            price_of=self._price_of,
            on_fired=self._tell_fired,
        )
        self._health = HealthWatch(clock)
        self.measure_machine: Callable[[], MachineLoad] | None = None
        self.sender: Sender | None = None
        bus.subscribe(MarketData, self.prices.on_market_data, part="price alerts")
        for desk in desks.values():
            desk.bus.subscribe(Order, self._on_order, part="health watch")
            desk.bus.subscribe(Reject, self._on_reject, part="health watch")
        records.listeners.append(self._on_record)

    async def run(self) -> None:
        """For ever: what ends, and what has begun to go wrong."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        try:
            self.prices.expire()
        except Refused as fault:
            log.info("%s", fault)  # tried again in a moment
        for exchange, feed in self._feeds.items():
            feed.prices.replace(self.prices.symbols(exchange), by=_PRICE_ALERTS)
        for text in self._health.look(self._facts()):
            self._records.add(Notice("warning", "Health", text, toast=True))

    def choose_messages(self, kinds: list[str]) -> str:
        """Raises Refused."""
        try:
            self.outbox.choose_kinds(kinds)
        except sqlite3.Error as fault:
            raise Refused(f"The choice could not be kept on disk: {fault}.") from None
        return "From now on these messages are sent."

    async def send_test(self) -> str:
        """What came of it. Raises Refused."""
        if self.sender is None:
            raise Refused(NO_CHANNEL)
        return await self.sender.send_test()

    def sending(self) -> SendingSnapshot:
        told = SendingSnapshot() if self.sender is None else self.sender.snapshot()
        waiting, kinds = self.outbox.waiting, self.outbox.kinds
        return msgspec.structs.replace(told, waiting=waiting, kinds=kinds)

    def close(self) -> None:
        self._records.listeners.remove(self._on_record)
        self._database.close()

    def _facts(self) -> HealthFacts:
        silent = {name: feed.message_age_ms() for name, feed in self._feeds.items()}
        reconnects = {name: feed.reconnects for name, feed in self._feeds.items()}
        for desk in self._desks.values():
            reconnects[desk.name] = max(0, desk.private_connects - 1)
        return HealthFacts(
            silent_s={name: age / 1000 for name, age in silent.items() if age is not None},
            reconnects=reconnects,
            daily_loss={
                desk.name: limit.used / 100
                for desk in self._desks.values()
                if desk.is_built
                for limit in desk.risk.snapshot().limits
                if limit.name == "daily_loss"
            },
            machine=self.measure_machine() if self.measure_machine else None,
        )

    def _exchange_of(self, symbol: str) -> str | None:
        return next((name for name, feed in self._feeds.items() if symbol in feed.tickers), None)

    def _price_of(self, exchange: str, symbol: str) -> Decimal | None:
        feed = self._feeds.get(exchange)
        ticker = None if feed is None else feed.tickers.get(symbol)
        return None if ticker is None else ticker.last_price

    def _tell_fired(self, alert: PriceAlert, price: Decimal) -> None:
        wish = alert.wish
        code = "" if wish.has_sound else SILENT_ALERT
        text = f"{wish.symbol} has reached {wish.price}, now {price}."
        self._records.add(Notice("info", _FIRED, text, wish.symbol, "", wish.has_popup, code))
        if wish.is_sent:
            self._send("price_alert", _FIRED, text)

    def _on_order(self, order: Order) -> None:
        if order.status in (OrderStatus.FILLED, OrderStatus.CANCELLED):
            self._health.on_order(failed=False)

    def _on_reject(self, event: Reject) -> None:
        if not event.is_ours:
            self._health.on_order(failed=True)

    def _on_record(self, item: FeedItem) -> None:
        """A notice that goes out as well."""
        record = item.record
        if not isinstance(record, Notice):
            return
        kind = _SENT_TITLES.get(record.title) or ("danger" if record.severity == "danger" else "")
        if kind:
            self._send(kind, record.title, record.text)

    def _send(self, kind: str, title: str, text: str) -> None:
        try:
            self.outbox.put(kind, title, text)
        except sqlite3.Error as fault:
            log.info("a message could not be kept for sending: %s", fault)
