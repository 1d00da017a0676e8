"""The wizard that adds a bot: its kind, what it trades, by which strategy, how large.

Every step has sound values from the start, so "Add bot" works in each of them: who knows what he
wants types a symbol and presses Enter.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from PyQt6.QtWidgets import QLabel, QWidget

from core.commands import AddBot, CommandResult
from ui import i18n, theme
from ui.bridge import Bridge
from ui.dialogs.add_bot_steps import (
    MANY,
    ONE,
    KindStep,
    SizingStep,
    Step,
    StrategyStep,
    SummaryStep,
    SymbolStep,
    UniverseStep,
)
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import words
from ui.widgets.basic import label, row
from ui.widgets.buttons import TextButton

_ADD = "add"
_BODY_HEIGHT = 380


class AddBotDialog(Sheet):
    """Stays open with the engine's sentence below the fields when it says no. With a symbol it
    opens where that is chosen."""

    def __init__(self, parent: QWidget, bridge: Bridge, symbol: str = "") -> None:
        super().__init__(parent, tr("Add a bot"), width=560)
        self._bridge = bridge
        self.kind = KindStep(bridge)
        self.symbols = SymbolStep(bridge, symbol)
        self.universe = UniverseStep()
        self.strategy = StrategyStep(bridge)
        self.sizing = SizingStep(bridge)
        self.summary = SummaryStep()
        self._steps: list[tuple[str, Step]] = [
            (tr("Kind"), self.kind), (tr("Symbol"), self.symbols), (tr("Symbols"), self.universe),
            (tr("Strategy"), self.strategy), (tr("Size"), self.sizing),
            (tr("Summary"), self.summary),
        ]  # fmt: skip
        self._current: Step = self.symbols if symbol else self.kind
        self._marks: dict[Step, QLabel] = {}
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.back, self.next = TextButton("Back"), TextButton("Next")
        self._lay_out()
        for _name, step in self._steps:
            step.changed.connect(self._check)
        self.symbols.list.doubleClicked.connect(lambda _index: self.finish_with(_ADD))
        self._offer_strategies()
        self.kind.changed.connect(self._offer_strategies)
        self._offer_signals()
        self.kind.account.currentIndexChanged.connect(self._offer_signals)
        self._show(self._current)

    def _lay_out(self) -> None:
        marks = row(spacing=16)
        for name, step in self._steps:
            mark = label("label")
            mark.setText(name)
            self._marks[step] = mark
            marks.addWidget(mark)
        marks.addStretch(1)
        self.content.addLayout(marks)
        body = QWidget()
        body.setFixedHeight(_BODY_HEIGHT)
        inside = row(spacing=0)
        for _name, step in self._steps:
            inside.addWidget(step)
        body.setLayout(inside)
        self.content.addWidget(body)
        self.content.addWidget(self.problem)
        for button in (self.back, self.next):
            button.setMinimumWidth(84)
            button.setAutoDefault(False)
            self.button_row.addWidget(button)
        self.back.clicked.connect(lambda: self._step_by(-1))
        self.next.clicked.connect(lambda: self._step_by(1))
        add = self.add_button(_ADD, tr("Add bot"), "primary", default=True)
        self.add_cancel(default=False)
        buttons = (self.back, self.next, add)
        for one, following in pairwise(buttons):
            self.setTabOrder(one, following)

    @property
    def shown_steps(self) -> list[Step]:
        """Those that this kind of bot has."""
        left_out = self.universe if self.kind.kind == ONE else self.symbols
        return [step for _name, step in self._steps if step is not left_out]

    def symbol(self) -> str:
        """The chosen symbol, "" while none is."""
        return self.symbols.symbol()

    def wanted(self) -> AddBot:
        """What is sent. Raises ValueError while a step has a problem."""
        part = self.strategy.part
        if part is None:
            raise ValueError("no strategy is chosen")
        many = self.kind.kind == MANY
        return AddBot(
            kind=self.kind.kind,
            account=self.kind.account.currentData(),
            symbol="" if many else self.symbol(),
            timeframe=part.timeframe,
            strategy=part.name,
            name=" ".join(self.sizing.name.text().split()),
            parameters=self.strategy.values(),
            scan=self.universe.settings() if many else None,
            signal_exchange=self.strategy.signals.exchange(),
            sizing=self.sizing.sizing(),
        )

    async def ask_and_add(self) -> CommandResult | None:
        """Until the engine accepts, or the trader gives up (None)."""
        try:
            while await self.ask_again() == _ADD:
                result = await self._bridge.add_bot(self.wanted())
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
                self.fit()
        finally:
            self.leave()
        return None

    def _offer_strategies(self) -> None:
        """A bot that ranks symbols needs a strategy that scores."""
        many = self.kind.kind == MANY
        fitting = [part for part in self._bridge.strategies if part.scores or not many]
        self.strategy.offer({part.name: part for part in fitting})
        for step, mark in self._marks.items():
            mark.setVisible(step in self.shown_steps)

    def _offer_signals(self) -> None:
        self.strategy.signals.offer(self.kind.account.currentData() or "")

    def _step_by(self, places: int) -> None:
        steps = self.shown_steps
        place = min(max(steps.index(self._current) + places, 0), len(steps) - 1)
        self._show(steps[place])

    def _show(self, step: Step) -> None:
        self._current = step
        if step is self.summary and not self._missing():
            self.summary.show_lines(self._lines())
        for _name, other in self._steps:
            other.setVisible(other is step)
            theme.set_property(self._marks[other], "tone", "accent" if other is step else "t3")
        self._check()
        if step is self.symbols:
            self.symbols.search.setFocus()

    def _missing(self) -> str:
        return next((text for step in self.shown_steps if (text := step.problem())), "")

    def _check(self) -> None:
        steps = self.shown_steps
        here = self._current.problem()
        self.back.setEnabled(self._current is not steps[0])
        self.next.setEnabled(self._current is not steps[-1] and not here)
        i18n.set_tool_tip(self.next, here)
        missing = self._missing()
        self.buttons[_ADD].setEnabled(not missing)
        i18n.set_tool_tip(self.buttons[_ADD], missing)

    def _lines(self) -> dict[str, str]:
        wanted = self.wanted()
        lines: dict[str, Any] = {
            tr("Kind"): wanted.kind,
            tr("Account"): self.kind.account.currentText(),
            tr("Symbol"): wanted.symbol,
            tr("Strategy"): f"{wanted.strategy} · {wanted.timeframe}",
            tr("Signals from"): words.exchange_name(wanted.signal_exchange),
            tr("Position size"): self.sizing.choice.currentText(),
            tr("Name"): wanted.name,
        }
        if wanted.scan is not None:
            texts = self.universe.form.texts()
            for field in self.universe.form.lines.values():
                unit = tr(field.field.unit) if field.field.unit else ""
                lines[tr(field.field.title)] = f"{texts[field.field.name]} {unit}".strip()
        for step in (self.strategy, self.sizing):
            form = step.form
            for name in step.values():
                assert form is not None
                lines[tr(form.lines[name].field.title)] = form.lines[name].text
        return {name: text for name, text in lines.items() if text}
