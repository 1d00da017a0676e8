"""The bar at the bottom: connections with dot and word, delays, the account in one line."""

from __future__ import annotations

import time

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QWidget

from core.snapshots import ConnectionState, EngineSnapshot, EngineState
from ui import formatting, i18n
from ui.bridge import STALE_AFTER_MS, Bridge, LinkState
from ui.i18n import sentence, tr
from ui.models import words
from ui.plain import tip
from ui.widgets.basic import StateDot, clear, label, row, show_value
from ui.widgets.buttons import IconButton

_CONNECTED = "connected"


class _Item(QWidget):
    """Caption and value side by side, 11 px."""

    def __init__(self, name: str, object_name: str) -> None:
        super().__init__()
        self.caption = label("caption", name, tone="t2")
        self.value = label("caption", tone="t1")
        self.value.setObjectName(object_name)
        self.value.setStyleSheet("font-weight: 600")
        show_value(self.value, formatting.UNKNOWN)
        self.setLayout(row(self.caption, self.value, spacing=5))

    def show_text(self, text: str, tone: str = "t1") -> None:
        show_value(self.value, text, tone)


class _Connection(_Item):
    """An exchange: dot, name and word, delay."""

    def __init__(self, exchange: str) -> None:
        super().__init__("", f"connection_{exchange}")
        self._name = words.exchange_name(exchange)
        self.dot = StateDot()
        line = self.layout()
        assert isinstance(line, QHBoxLayout)
        line.insertWidget(0, self.dot)

    def show_connection(self, link: ConnectionState) -> None:
        whole = link.public == link.private == _CONNECTED
        is_silent = whole and (link.last_message_age_ms or 0) > STALE_AFTER_MS
        self.dot.show_state("connected" if whole and not is_silent else "waiting")
        word = link.public if link.public != _CONNECTED else link.private
        word = "silent" if is_silent else word
        show_value(self.caption, f"{self._name} {tr(word)}")
        delay = link.latency_p50_ms
        text = formatting.UNKNOWN if delay is None else f"{delay:.0f} ms"
        self.show_text(text if delay is None or delay >= 1 else "<1 ms")
        self.setToolTip(
            tip(
                "\n".join(
                    part
                    for part in (
                        f"{tr('Public stream')}: {tr(link.public)}",
                        f"{tr('Private stream')}: {tr(link.private)}",
                        f"{tr('Reconnects')}: {link.reconnects}",
                        sentence(link.detail),
                    )
                    if part
                )
            )
        )

    def show_unknown(self) -> None:
        """Nobody tells us: the engine is away."""
        self.dot.show_state("unknown")
        show_value(self.caption, f"{self._name} {tr('unknown')}")
        self.show_text(formatting.UNKNOWN)


class StatusBar(QFrame):
    """26 px; `set_narrow` leaves out what a small window has no room for.

    `has_start_failed` is the window's word that no engine is on its way.
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setProperty("role", "bar")
        self.setFixedHeight(26)
        self._bridge = bridge
        self._connections: dict[str, _Connection] = {}
        self._links = row(spacing=16)
        self._orders_delay = _Item("Orders", "order_latency")
        self._updated = _Item("Updated", "last_update")
        self._rate = _Item("Rate limit", "rate_limit")
        self._bots = _Item("Bots", "bots_running")
        self._engine = _Item("Engine", "engine_state")
        self._account = _Item("Account", "account")
        self._equity = _Item("Equity", "equity")
        self._pnl = _Item("uPnL", "unrealized_pnl")
        self._positions = _Item("Positions", "positions")
        self._orders = _Item("Orders", "orders")
        self._storage = _Item("Storage", "storage_fault")
        self._storage.hide()
        self._clock = _Item("", "clock")
        i18n.set_tool_tip(self._clock, "The exchange's clock")
        i18n.set_tool_tip(self._orders_delay, "From sending an order to the exchange's answer")
        i18n.set_tool_tip(self._rate, "The busiest family of requests")
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 0, 12, 0)
        line.setSpacing(16)
        line.addLayout(self._links)
        for item in (
            self._orders_delay, self._updated, self._rate, self._bots, self._engine, self._storage,
        ):  # fmt: skip
            line.addWidget(item)
        line.addStretch(1)
        for item in (
            self._account, self._equity, self._pnl, self._positions, self._orders, self._clock,
        ):  # fmt: skip
            line.addWidget(item)
        self.mute = IconButton("volume-2", "Mute sounds")
        self.mute.setFixedSize(22, 22)
        line.addWidget(self.mute)
        self._figures = (
            self._orders_delay, self._updated, self._rate, self._bots, self._account,
            self._equity, self._pnl, self._positions, self._orders, self._clock,
        )  # fmt: skip
        self.has_start_failed = False
        self._received_s = time.monotonic()
        bridge.snapshot_changed.connect(self._take)
        bridge.state_changed.connect(self.tick)
        if bridge.snapshot is not None:
            self._take(bridge.snapshot)
        self.tick()

    def set_narrow(self, narrow: bool) -> None:
        for item in (self._bots, self._account, self._positions, self._orders):
            item.setVisible(not narrow)

    def show_muted(self, muted: bool) -> None:
        """The master switch of all sounds."""
        self.mute.show_icon("volume-x" if muted else "volume-2")
        i18n.set_tool_tip(self.mute, "Sounds are muted" if muted else "Mute sounds")

    def market_time_ms(self) -> int | None:
        """The exchange's clock now: the snapshot's, run on at the market's own speed."""
        snapshot = self._bridge.snapshot
        if snapshot is None:
            return None
        passed_s = min(time.monotonic() - self._received_s, 1.0)
        return snapshot.market_time_ms + int(passed_s * 1000 * snapshot.clock_rate)

    def tick(self, _state: LinkState | None = None) -> None:
        """Once in a while: the ages and the clock run on between snapshots."""
        snapshot = self._bridge.snapshot
        now_ms = self.market_time_ms()
        self._clock.show_text(formatting.clock(now_ms))
        show_value(self._clock.caption, formatting.zone_name(now_ms or 0))
        state = self._bridge.link.state
        if state is LinkState.ATTACHED and snapshot is not None:
            running = snapshot.state is EngineState.RUNNING
            word = tr(words.ENGINE_STATES[snapshot.state])
            self._engine.show_text(word, "t1" if running else "warn")
        else:
            lost = state is LinkState.LOST
            word = "not running" if self.has_start_failed else "lost" if lost else "starting"
            self._engine.show_text(tr(word), "warn" if word == "starting" else "danger")
            for link in self._connections.values():
                link.show_unknown()
        self._show_age(snapshot)
        if state is not LinkState.ATTACHED:
            for item in self._figures:
                show_value(item.value, item.value.text(), "stale")

    def _show_age(self, snapshot: EngineSnapshot | None) -> None:
        ages = [c.last_message_age_ms for c in snapshot.connections] if snapshot else []
        known = [age for age in ages if age is not None]
        if not known:
            self._updated.show_text(formatting.UNKNOWN)
            return
        age_ms = min(known) + int((time.monotonic() - self._received_s) * 1000)
        old = age_ms > STALE_AFTER_MS
        self._updated.show_text(
            tr("{age} ago", age=formatting.age(age_ms)), "warn" if old else "t1"
        )

    def _take(self, snapshot: EngineSnapshot) -> None:
        self._received_s = time.monotonic()
        self._show_connections(snapshot.connections)
        delays = [
            c.order_latency_ms for c in snapshot.connections if c.order_latency_ms is not None
        ]
        self._orders_delay.show_text(f"{max(delays):.0f} ms" if delays else formatting.UNKNOWN)
        used = max((limit.used_ratio for limit in snapshot.limiters), default=None)
        near = used is not None and used >= 0.8
        self._rate.show_text(formatting.percent(used, 0, sign=False), "warn" if near else "t1")
        account = snapshot.accounts[0] if snapshot.accounts else None
        if account is not None:
            self._account.show_text(account.name)
            equity = formatting.money(account.equity, account.currency)
            self._equity.show_text(f"{equity} {account.currency}")
            pnl = account.unrealized_pnl
            self._pnl.show_text(
                formatting.money(pnl, account.currency, sign=True), words.tone_of(pnl)
            )
        self._show_counts(snapshot)
        self._show_storage(snapshot.data.fault)
        self.tick()

    def _show_storage(self, fault: str | None) -> None:
        """Only while candles cannot be stored: that blocks entries."""
        self._storage.setVisible(bool(fault))
        if fault:
            self._storage.show_text(tr("not stored"), "danger")
            self._storage.setToolTip(tip(sentence(fault)))

    def _show_counts(self, snapshot: EngineSnapshot) -> None:
        known = self._bridge.is_settled
        running = sum(bot.state == "running" for bot in snapshot.bots)
        bots = tr("{n} of {total} running", n=running, total=len(snapshot.bots))
        positions = str(sum(not p.position.is_flat for p in snapshot.positions))
        orders = str(len(snapshot.working_orders))
        for item, text in (
            (self._bots, bots), (self._positions, positions), (self._orders, orders),
        ):  # fmt: skip
            item.show_text(text if known else formatting.UNKNOWN)

    def _show_connections(self, links: list[ConnectionState]) -> None:
        names = [link.exchange for link in links]
        if names != list(self._connections):
            clear(self._links)
            self._connections = {name: _Connection(name) for name in names}
            for made in self._connections.values():
                self._links.addWidget(made)
        for link in links:
            self._connections[link.exchange].show_connection(link)
