"""The head of a scanning bot's tab: its settings in figures, its state and its controls."""

from __future__ import annotations

from typing import ClassVar

from core.snapshots import BotSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.shared_services import BotLink
from ui.widgets.basic import show_value
from ui.widgets.bot_header import BotHeader
from ui.widgets.scan_strip import took_text


class ScanHeader(BotHeader):
    """60 px; as the head of a bot of one symbol, without a price."""

    stat_names: ClassVar[tuple[str, ...]] = (
        "Watching", "Enter at score", "Scan every", "Last scan", "Requests"
    )  # fmt: skip
    narrow_stats: ClassVar[tuple[str, ...]] = ("Watching", "Enter at score", "Scan every")

    def __init__(self, bridge: Bridge, bot: BotLink) -> None:
        super().__init__(bridge, bot)
        self._prices.hide()
        self._name.setMinimumWidth(180)
        self._divider.hide()  # its room stays
        for stat in self._stats.values():
            stat.setContentsMargins(0, 0, 16, 0)

    def show_bot(self, bot: BotSnapshot) -> None:
        super().show_bot(bot)
        scan = bot.scan
        if scan is None:
            return
        symbols = tr("{n} symbols", n=len(scan.rows) or scan.settings.watch_count)
        every_ms = scan.settings.scan_interval_s * 1000
        asked = tr("{n} of {total}", n=scan.polled_symbols, total=scan.scan_total)
        for name, text in {
            "Watching": symbols,
            "Enter at score": formatting.number(scan.settings.signal_threshold, 0),
            "Scan every": formatting.duration(every_ms),
            "Last scan": took_text(scan.took_ms),
            "Requests": asked,
        }.items():
            show_value(self._stats[name].value, text)

    def _market_text(self, bot: BotSnapshot, exchange: str) -> str:
        return f"{bot.kind} · {super()._market_text(bot, exchange)}"

    def _since_text(self, bot: BotSnapshot) -> str:
        held = bot.scan.position_symbols if bot.scan is not None else []
        if held:
            return tr("holding {symbols}", symbols=", ".join(held))
        return super()._since_text(bot)
