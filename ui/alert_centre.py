"""What calls the trader, on the screen's side: sounds, tray notices, and the alert dialogs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QMainWindow, QSystemTrayIcon

from core.models.alerts import AlertState
from core.snapshots import FeedItem, Notice
from ui import tasks
from ui.alert_desk import AlertActions
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.refusals import notice_words
from ui.sounds import Sounds

if TYPE_CHECKING:  # its dialogs are not for the first paint
    from ui.dialogs.alerts import AlertDialog, ChannelKeeper

_TRAY_MS = 8_000


class AlertCentre(QObject):
    """One for the window. `show_symbol(symbol)` brings its chart to the front; `notify(title,
    text)` shows a notice of the desktop. Attribute: keeper, who stores channels."""

    def __init__(
        self,
        window: QMainWindow,
        bridge: Bridge,
        sounds: Sounds,
        show_symbol: Callable[[str], None],
        notify: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(window)
        self._window, self._bridge, self.sounds = window, bridge, sounds
        self._show_symbol = show_symbol
        self._notify = notify or _Tray(window).notify
        self.keeper: ChannelKeeper | None = None
        bridge.feed_items.connect(self._take_items)
        bridge.chart_memory.level_moved.connect(self._follow_line)

    def ask_alert(self, symbol: str, price: Decimal | None = None) -> None:
        """The question that sets an alert, begun with `price`."""
        from ui.dialogs.alerts import AlertDialog

        dialog = AlertDialog(self._window, self._bridge, symbol, price)
        tasks.spawn(self._ask(dialog))

    def open_list(self) -> None:
        """All alerts, messages, sounds."""
        from ui.dialogs.alerts import AlertsDialog

        dialog = AlertsDialog(self._window, self._bridge, self.sounds, self.keeper)
        dialog.symbol_wanted.connect(self._show_symbol)
        tasks.spawn(dialog.ask())

    def toggle_mute(self) -> None:
        self.sounds.set_muted(not self.sounds.is_muted)

    def _follow_line(self, symbol: str, old: float, new: float) -> None:
        """An alert that waits on a line that is drawn goes with it."""
        instrument, snapshot = self._bridge.instruments.get(symbol), self._bridge.snapshot
        if instrument is None or snapshot is None:
            return
        before, after = (instrument.round_price(Decimal(repr(price))) for price in (old, new))
        for alert in snapshot.alerts:
            is_on_it = alert.wish.symbol == symbol and alert.wish.price == before
            if is_on_it and alert.state is AlertState.WAITING:
                tasks.spawn(self._move(alert.alert_id, after))

    async def _move(self, alert_id: int, price: Decimal) -> None:
        tasks.announce(await AlertActions(self._bridge.link.send).move(alert_id, price))

    @staticmethod
    async def _ask(dialog: AlertDialog) -> None:
        result = await dialog.ask_and_add()
        if result is not None:
            tasks.tell(result)

    def _take_items(self, items: list[FeedItem]) -> None:
        self.sounds.take_items(items)
        if self._window.isActiveWindow():
            return  # the toast is before the trader's eyes
        for item in items:
            record = item.record
            if isinstance(record, Notice) and record.toast and _is_urgent(record):
                self._notify(tr(record.title), notice_words(record))


def _is_urgent(notice: Notice) -> bool:
    return notice.severity == "danger" or notice.title in ("Price alert", "Health")


class _Tray:
    """The desktop's own notices, where it has a tray; made with the first one."""

    def __init__(self, window: QMainWindow) -> None:
        self._window = window
        self._icon: QSystemTrayIcon | None = None

    def notify(self, title: str, text: str) -> None:
        if not QSystemTrayIcon.isSystemTrayAvailable():
            return
        if self._icon is None:
            self._icon = QSystemTrayIcon(self._window.windowIcon(), self._window)
            self._icon.show()
        self._icon.showMessage(title, text, QSystemTrayIcon.MessageIcon.Information, _TRAY_MS)
