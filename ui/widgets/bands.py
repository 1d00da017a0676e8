"""Bands under the app bar that cannot be overlooked: trading stopped, engine lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from PyQt6.QtWidgets import QFrame

from core.commands import CommandResult
from core.snapshots import RiskSnapshot
from ui import formatting, i18n
from ui.i18n import sentence, tr
from ui.widgets.basic import ElidedLabel, ThemedIcon, label, row, show_value
from ui.widgets.buttons import ActionButton, TextButton

_HEIGHT = 40


class KillBand(QFrame):
    """Since when trading stands still, each exchange's answer, and the way back."""

    def __init__(
        self,
        resume: Callable[[], Awaitable[CommandResult | None]],
        flatten: Callable[[], Awaitable[CommandResult | None]],
    ) -> None:
        """`flatten` asks for its phrase and closes every position."""
        super().__init__()
        self.setObjectName("kill_band")
        self.setProperty("role", "kill_band")
        self.setFixedHeight(_HEIGHT)
        self._title, self._answers = label("title"), ElidedLabel("label")
        self.flatten = ActionButton("Close positions…", flatten, kind="on_danger")
        self.resume = ActionButton("Resume…", resume, kind="on_danger")
        line = row(ThemedIcon("circle-x", "#FFFFFF", 16), self._title, 8, spacing=8)
        line.setContentsMargins(12, 0, 8, 0)
        line.addWidget(self._answers, 1)
        line.addWidget(self.flatten)
        line.addWidget(self.resume)
        self.setLayout(line)
        self.hide()

    def show_risk(self, risk: RiskSnapshot, has_positions: bool = True) -> None:
        since = risk.kill_switch_since_ms
        self.setVisible(since is not None)
        self.flatten.setVisible(has_positions)
        if since is not None:
            show_value(self._title, tr("Trading stopped {time}", time=formatting.clock(since)))
            parts = [risk.reason, *risk.kill_switch_answers]
            self._answers.show_text(" · ".join(sentence(part) for part in parts if part))


class CrashBand(QFrame):
    """The screen before this one did not end by itself: what may help. Nothing is started again;
    the engine and its orders were not touched."""

    def __init__(self, reset: Callable[[], object], open_log: Callable[[], object]) -> None:
        super().__init__()
        self.setObjectName("crash_band")
        self.setProperty("role", "popup")
        self.setFixedHeight(_HEIGHT)
        text = ElidedLabel("label")
        self._text = text
        self.reset = TextButton("Restore default layout")
        self.open_log = TextButton("Open log folder")
        self.keep = TextButton("Keep the layout")
        self.reset.clicked.connect(lambda: reset())  # noqa: PLW0108 (clicked carries a bool)
        self.reset.clicked.connect(self.hide)
        self.open_log.clicked.connect(lambda: open_log())  # noqa: PLW0108 (clicked carries a bool)
        self.keep.clicked.connect(self.hide)
        title = label("title", "The window ended unexpectedly")
        line = row(ThemedIcon("triangle-alert", "warn", 16), title, 8, spacing=8)
        line.setContentsMargins(12, 0, 8, 0)
        line.addWidget(text, 1)
        for button in (self.open_log, self.reset, self.keep):
            line.addWidget(button)
        self.setLayout(line)
        i18n.language.changed.connect(self._retranslate)
        self._retranslate("")
        self.hide()

    def _retranslate(self, _language: str) -> None:
        self._text.show_text(tr("Nothing was started by itself. Your layout is as you left it."))


class EngineBand(QFrame):
    """The engine is gone or not there yet: what that means, and a button to start it."""

    def __init__(self, restart: Callable[[], Awaitable[CommandResult | None]]) -> None:
        super().__init__()
        self.setObjectName("engine_band")
        self.setProperty("role", "popup")
        self.setFixedHeight(_HEIGHT)
        self._icon = ThemedIcon("unplug", "danger", 16)
        self._title, self._text = label("title"), ElidedLabel("label")
        self.restart = ActionButton("Restart engine", restart, kind="primary")
        self.restart.busy_text = "Starting…"
        line = row(self._icon, self._title, 8, spacing=8)
        line.setContentsMargins(12, 0, 8, 0)
        line.addWidget(self._text, 1)
        line.addWidget(self.restart)
        self.setLayout(line)
        self.hide()

    def show_lost(self, reason: str) -> None:
        """The engine was there and went away; `reason` is English."""
        self._icon.show_icon("unplug", "danger")
        i18n.set_text(self._title, "Engine lost")
        consequence = tr("Numbers are old. Orders and stops rest at the exchange.")
        self._text.show_text(f"{sentence(reason)} {consequence}")
        self.restart.show()
        self.show()

    def show_silent(self, seconds: float) -> None:
        """The link stands but nothing comes."""
        self._icon.show_icon("hourglass", "warn")
        i18n.set_text(self._title, "Engine silent")
        self._text.show_text(tr("Nothing from the engine for {n} s.", n=f"{seconds:.0f}"))
        self.restart.hide()
        self.show()

    def show_start_failed(self, reason: str) -> None:
        """The engine could not be started."""
        self._icon.show_icon("circle-x", "danger")
        i18n.set_text(self._title, "Engine not running")
        self._text.show_text(sentence(reason))
        self.restart.show()
        self.show()
