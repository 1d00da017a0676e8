"""Data manager and machine: the shared services' own figures."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget

from core.snapshots import DataSnapshot, EngineSnapshot
from ui import formatting, tasks
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.widgets.basic import (
    INSET,
    KeyValue,
    LimitRow,
    column,
    label,
    rule,
    show_value,
)
from ui.widgets.buttons import TextButton

_MEGABYTE = 1_000_000


class DataManager(QWidget):
    """Symbols, candles, saves, gaps and feed delay; `with_machine` adds CPU, memory and disk."""

    def __init__(self, bridge: Bridge, with_machine: bool = False) -> None:
        super().__init__()
        self._symbols = KeyValue("Symbols loaded")
        self._memory = KeyValue("Candles in memory")
        self._stored = KeyValue("Candles on disk")
        self._save = KeyValue("Last batch save")
        self._gaps = KeyValue("Gaps filled")
        self._delay = KeyValue("Feed delay, p50 / p99")
        self._reconnects = KeyValue("Reconnects")
        self._cpu, self._rss, self._disk = LimitRow(), LimitRow(), LimitRow()
        self._with_machine = with_machine
        self._fault = label("label", tone="danger")
        self._fault.setWordWrap(True)
        self._fault.hide()
        outer = column(
            self._fault, self._symbols, self._memory, self._stored, self._save, self._gaps,
            self._delay, self._reconnects,
        )  # fmt: skip
        outer.setContentsMargins(INSET, 0, INSET, INSET)
        outer.addWidget(self._stored_button(bridge))
        if with_machine:
            outer.addSpacing(10)
            outer.addWidget(rule())
            outer.addSpacing(12)
            for bar in (self._cpu, self._rss, self._disk):
                outer.addWidget(bar)
                outer.addSpacing(6)
        outer.addStretch(1)
        self.setLayout(outer)
        bridge.data.changed.connect(self.show_data)
        bridge.snapshot_changed.connect(self._take)
        if bridge.snapshot is not None:
            self.show_data(bridge.snapshot.data)
            self._show_rest(bridge.snapshot)

    def _stored_button(self, bridge: Bridge) -> TextButton:
        button = TextButton("Stored candles", "link")

        def show() -> None:
            from ui.dialogs.stored_data import StoredDataDialog

            tasks.spawn(StoredDataDialog(self.window() or self, bridge).ask())

        button.clicked.connect(show)
        return button

    def show_data(self, data: DataSnapshot) -> None:
        self._fault.setVisible(bool(data.fault))
        if data.fault:
            text = tr("Candles are not stored, nothing is entered: {why}", why=sentence(data.fault))
            show_value(self._fault, text)
        of = tr("{n} of {total}", n=data.symbols_loaded, total=data.max_symbols)
        show_value(self._symbols.value, of)
        held = f"{data.memory_bytes / _MEGABYTE:.1f} MB"
        show_value(self._memory.value, f"{data.candles_in_memory:,} · {held}")
        cache = f"{data.cache_bytes / _MEGABYTE:.1f} MB"
        show_value(self._stored.value, f"{data.candles_stored:,} · {cache}")
        show_value(self._save.value, self._last_save(data))
        still = tr("none open") if data.gaps_open == 0 else tr("{n} open", n=data.gaps_open)
        tone = "warn" if data.gaps_open else "t1"
        show_value(self._gaps.value, f"{data.gaps_filled:,} · {still}", tone)

    @staticmethod
    def _last_save(data: DataSnapshot) -> str:
        if data.last_save_took_ms is None:
            return formatting.UNKNOWN
        took = f"{data.last_save_took_ms:.1f}"
        if data.last_save_symbols == 1:
            return tr("1 symbol in {ms} ms", ms=took)
        return tr("{n} symbols in {ms} ms", n=data.last_save_symbols, ms=took)

    def _take(self, snapshot: EngineSnapshot) -> None:
        if self.isVisible():
            self._show_rest(snapshot)

    def _show_rest(self, snapshot: EngineSnapshot) -> None:
        links = snapshot.connections
        p50 = max((c.latency_p50_ms for c in links if c.latency_p50_ms is not None), default=None)
        p99 = max((c.latency_p99_ms for c in links if c.latency_p99_ms is not None), default=None)
        both = f"{formatting.number(p50, 1)} / {formatting.number(p99, 1)} ms"
        show_value(self._delay.value, both if p50 is not None else formatting.UNKNOWN)
        show_value(self._reconnects.value, str(sum(c.reconnects for c in links)))
        if self._with_machine:
            machine = snapshot.machine
            cpu = formatting.percent(machine.engine_cpu_ratio, 0, sign=False)
            self._cpu.show_limit(tr("Engine CPU"), cpu, "", machine.engine_cpu_ratio)
            rss = machine.engine_rss_mb
            self._rss.show_limit(tr("Engine memory"), f"{rss:.0f} MB", "/ 400 MB", rss / 400)
            disk = formatting.percent(machine.disk_used_ratio, 0, sign=False)
            self._disk.show_limit(tr("Disk"), disk, "", machine.disk_used_ratio)
