"""Alerts: the question that sets one, and the list of all with messages and sounds beside it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Protocol

from PyQt6 import sip
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QWidget,
)

from core.commands import CommandResult
from core.models.alerts import AlertWish, PriceAlert
from core.snapshots import EngineSnapshot
from ui import i18n, tasks
from ui.alert_desk import AlertActions
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import alerts as models
from ui.sounds import EVENTS, Sounds
from ui.widgets.basic import EmptyState, column, label, row, show_value
from ui.widgets.buttons import TextButton
from ui.widgets.table_view import DataTable
from ui.widgets.ticket_fields import Choice

_ADD = "add"
_DAY_MS = 86_400_000
_EXPIRES = {"no end": None, "1 day": 1, "7 days": 7, "30 days": 30}
_PAGES = {"alerts": "Price alerts", "messages": "Messages", "sounds": "Sounds"}
_PAGE_HEIGHT = 340
KINDS = {
    "price_alert": "Price alerts",
    "health": "Machine and connections",
    "danger": "Alarms",
    "trade": "Closed trades",
}
_HOW_SENT = (
    "The engine sends, also while this window is closed. What cannot be sent waits and goes out "
    "later."
)


class ChannelKeeper(Protocol):
    """Stores the address of a channel, which is a secret; never raises."""

    async def add_channel(self, address: str) -> CommandResult: ...

    async def forget_channels(self) -> CommandResult: ...


class AlertDialog(Sheet):
    """Sets one alert; stays open with the engine's sentence when it says no."""

    def __init__(self, parent: QWidget, bridge: Bridge, symbol: str, price: Decimal | None) -> None:
        super().__init__(parent, tr("Alert for {symbol}", symbol=symbol), width=400)
        self._bridge, self._symbol = bridge, symbol
        self._actions = AlertActions(bridge.link.send)
        self.price = QLineEdit("" if price is None else f"{price:f}")
        self.often = Choice((("once", "Once"), ("always", "Always")))
        self.often.choose("once")
        self.until = QComboBox()
        for text, days in _EXPIRES.items():
            self.until.addItem(tr(text), days)
        self.popup, self.sound, self.sent = QCheckBox(), QCheckBox(), QCheckBox()
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        form = _form()
        form.addRow(_form_label("Price"), self.price)
        form.addRow(_form_label("How often"), self.often)
        form.addRow(_form_label("Until"), self.until)
        self.content.addLayout(form)
        for box, text in (
            (self.popup, "Show it on the screen"),
            (self.sound, "Play a sound"),
            (self.sent, "Send a message"),
        ):
            i18n.set_text(box, text)
            box.setChecked(True)
            self.content.addWidget(box)
        self.content.addWidget(self.problem)
        self.add_cancel(default=False)
        self.add_button(_ADD, tr("Add alert"), "primary", default=True)
        self.price.textChanged.connect(self._check)
        self._check()
        self.price.setFocus()
        self.price.selectAll()

    def wish(self) -> AlertWish | None:
        """None while the price is none."""
        price = _number(self.price.text())
        if price is None:
            return None
        days = self.until.currentData()
        snapshot = self._bridge.snapshot
        now_ms = snapshot.market_time_ms if snapshot else 0
        return AlertWish(
            symbol=self._symbol,
            price=price,
            repeats=self.often.buttons["always"].isChecked(),
            expires_ms=None if days is None else now_ms + days * _DAY_MS,
            has_popup=self.popup.isChecked(),
            has_sound=self.sound.isChecked(),
            is_sent=self.sent.isChecked(),
        )

    async def ask_and_add(self) -> CommandResult | None:
        """Until the engine accepts, or the trader gives up (None)."""
        try:
            while await self.ask_again() == _ADD:
                wish = self.wish()
                assert wish is not None
                result = await self._actions.add(wish)
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
        finally:
            self.leave()
        return None

    def _check(self) -> None:
        ready = self.wish() is not None
        self.buttons[_ADD].setEnabled(ready)
        self.buttons[_ADD].setToolTip("" if ready else tr("A number above zero"))


class AlertsDialog(Sheet):
    """Three pages. Signal: symbol_wanted(symbol), for "go to chart"."""

    symbol_wanted = pyqtSignal(str)

    def __init__(
        self, parent: QWidget, bridge: Bridge, sounds: Sounds, keeper: ChannelKeeper | None
    ) -> None:
        super().__init__(parent, tr("Alerts"), width=880)
        self.bridge = bridge
        self.desk = AlertActions(bridge.link.send)
        self.choice = Choice(tuple(_PAGES.items()))
        for button in self.choice.buttons.values():
            button.setMinimumWidth(104)
        self.list = _ListPage(self)
        self.messages = _MessagesPage(self, keeper)
        self.sounds = _SoundsPage(sounds)
        self._pages = QStackedWidget()
        self._pages.setFixedHeight(_PAGE_HEIGHT)
        self._by_name: dict[str, QWidget] = {
            "alerts": self.list,
            "messages": self.messages,
            "sounds": self.sounds,
        }
        for page in self._by_name.values():
            self._pages.addWidget(page)
        self.content.addLayout(row(self.choice, None))
        self.content.addWidget(self._pages)
        self.choice.chosen.connect(self.show_page)
        self.show_page("alerts")
        self.add_button("", tr("Close"))
        bridge.snapshot_changed.connect(self._take)
        if bridge.snapshot is not None:
            self._take(bridge.snapshot)

    def show_page(self, name: str) -> None:
        self.choice.choose(name)
        self._pages.setCurrentWidget(self._by_name[name])

    def go_to(self, symbol: str) -> None:
        self.symbol_wanted.emit(symbol)
        self.finish_with("")

    def _take(self, snapshot: EngineSnapshot) -> None:
        self.list.show_alerts(snapshot.alerts)
        self.messages.show_sending(snapshot)


class _ListPage(QWidget):
    """The table; empty, a word of how to set one."""

    def __init__(self, dialog: AlertsDialog) -> None:
        super().__init__()
        self._dialog = dialog
        self.model = models.price_alerts(dialog.bridge)
        self.table = DataTable(self.model)
        self.table.action.connect(self._act)
        self._empty = EmptyState(
            "bell", "No alerts", "Press the right mouse button on a chart, at the price."
        )
        self._pages = QStackedWidget()
        for page in (self._empty, self.table):
            self._pages.addWidget(page)
        self.setLayout(column(self._pages))

    def show_alerts(self, alerts: list[PriceAlert]) -> None:
        self.model.set_rows(alerts)
        self._pages.setCurrentWidget(self.table if alerts else self._empty)

    def _act(self, alert: PriceAlert, name: str) -> None:
        if name == models.GO:
            self._dialog.go_to(alert.wish.symbol)
        else:
            tasks.spawn(self._remove(alert))

    async def _remove(self, alert: PriceAlert) -> None:
        tasks.announce(await self._dialog.desk.remove(alert.alert_id))


class _MessagesPage(QWidget):
    """Where messages go, which do, and a test of it."""

    def __init__(self, dialog: AlertsDialog, keeper: ChannelKeeper | None) -> None:
        super().__init__()
        self._dialog, self._keeper = dialog, keeper
        how = label("label", _HOW_SENT)
        how.setWordWrap(True)
        self.channels = label("label", tone="t1")
        self.channels.setWordWrap(True)
        self.address = QLineEdit()
        self.address.setEchoMode(QLineEdit.EchoMode.Password)
        self.address.setMaxLength(512)
        i18n.set_placeholder(self.address, "tgram://bot token/chat id, or another Apprise address")
        self.add = TextButton("Add channel")
        self.forget = TextButton("Remove all")
        self.test = TextButton("Send a test", icon="send", color="t1")
        self.said = label("label")
        self.said.setWordWrap(True)
        self.kinds = {kind: QCheckBox() for kind in KINDS}
        for kind, box in self.kinds.items():
            i18n.set_text(box, KINDS[kind])
            box.clicked.connect(self._choose)
        self.setLayout(
            column(
                how, 12, label("caption", "Channels"), 4, self.channels, 8,
                _line(self.address, self.add), 8, _line(self.test, self.forget, None), 8,
                self.said, 12, label("caption", "What is sent"), 6, *self.kinds.values(), None,
                spacing=4,
            )
        )  # fmt: skip
        self.address.textChanged.connect(self._check)
        self.add.clicked.connect(lambda: tasks.spawn(self._add()))
        self.forget.clicked.connect(lambda: tasks.spawn(self._forget()))
        self.test.clicked.connect(lambda: tasks.spawn(self._test()))
        self._check()

    def show_sending(self, snapshot: EngineSnapshot) -> None:
        sending = snapshot.sending
        text = ", ".join(sending.channels) or tr("None yet: messages stay on this computer.")
        if sending.waiting and sending.channels:
            text += " · " + tr("{n} waiting", n=sending.waiting)
        if sending.fault:
            text += " · " + sentence(sending.fault)
        show_value(self.channels, text, "warn" if sending.fault else "t1")
        for kind, box in self.kinds.items():
            if not box.isDown():
                box.setChecked(kind in sending.kinds)

    def _check(self) -> None:
        self.add.setEnabled(self._keeper is not None and "://" in self.address.text())
        self.forget.setEnabled(self._keeper is not None)

    async def _add(self) -> None:
        assert self._keeper is not None
        address = self.address.text().strip()
        self.address.clear()
        result = await self._keeper.add_channel(address)
        if result.ok:
            result = await self._dialog.desk.send_test()
        self._tell(result)

    async def _forget(self) -> None:
        assert self._keeper is not None
        self._tell(await self._keeper.forget_channels())

    async def _test(self) -> None:
        self.test.setEnabled(False)
        try:
            self._tell(await self._dialog.desk.send_test())
        finally:
            if not sip.isdeleted(self):
                self.test.setEnabled(True)

    def _tell(self, result: CommandResult) -> None:
        if not sip.isdeleted(self):
            show_value(self.said, sentence(result.text), "t1" if result.ok else "danger")

    def _choose(self) -> None:
        kinds = [kind for kind, box in self.kinds.items() if box.isChecked()]
        tasks.spawn(self._tell_choice(kinds))

    async def _tell_choice(self, kinds: list[str]) -> None:
        tasks.announce(await self._dialog.desk.choose_messages(kinds))


class _SoundsPage(QWidget):
    """A line for each event: on or off, and a button to hear it."""

    def __init__(self, sounds: Sounds) -> None:
        super().__init__()
        self.boxes: dict[str, QCheckBox] = {}
        self.plays: dict[str, TextButton] = {}
        self.muted = QCheckBox()
        i18n.set_text(self.muted, "Mute all sounds")
        self.muted.setChecked(sounds.is_muted)
        self.muted.toggled.connect(sounds.set_muted)
        lines = column(self.muted, 12, spacing=4)
        for event, text in EVENTS.items():
            box, play = QCheckBox(), TextButton("Play", icon="play", color="t1")
            i18n.set_text(box, text)
            box.setMinimumWidth(200)
            box.setChecked(sounds.is_wanted(event))
            box.toggled.connect(lambda on, chosen=event: sounds.set_wanted(chosen, on))
            play.clicked.connect(lambda _checked, chosen=event: sounds.preview(chosen))
            lines.addLayout(row(box, play, None))
            self.boxes[event], self.plays[event] = box, play
        lines.addStretch(1)
        self.setLayout(lines)


def _line(*parts: QWidget | None) -> QWidget:
    made = QWidget()
    made.setLayout(row(*parts))
    return made


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(8)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _form_label(text: str) -> QLabel:
    made = label("label", text)
    made.setFixedHeight(32)
    return made


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None
