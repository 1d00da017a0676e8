"""Round trips as the engine's journal tells them, made by hand; and an engine's answers to it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from sample_engine import NOW_MS

from core.commands import Command, CommandResult, GetJournal, WriteTradeNote
from core.journal.entries import JournalEntry, JournalPage, TradeNote
from core.models.orders import Side
from core.trade_log import RoundTrip

D = Decimal
HOUR_MS = 3_600_000
ACCOUNT = "main"
_BOTS = (("b1", "BTCUSDT"), ("b2", "ETHUSDT"), ("b3", "SOLUSDT"))
_REASONS = ("MACD crossed up", "RSI pattern, score 82", "MACD crossed down")


def sample_entry(number: int, count: int = 10) -> JournalEntry:
    """Trip number `number` of `count`, an hour long; the newest ended an hour ago. Every fourth
    lost, every seventh was taken over."""
    bot_id, symbol = _BOTS[number % 3]
    closed_ms = NOW_MS - (count - number) * HOUR_MS
    is_lost, is_foreign = number % 4 == 3, number % 7 == 6
    net = D("-11.92") if is_lost else D("27.42") + number % 5
    risk = None if is_foreign else D("18.40")
    trip = RoundTrip(
        symbol, bot_id, Side.SELL if number % 2 else Side.BUY, D("0.067"), closed_ms - HOUR_MS,
        closed_ms, net, None if is_foreign else D("65869.1"), None if is_foreign else D("66420"),
        D("2.43"), D("-0.31"), f"t{number}", "" if is_foreign else f"c{number}", f"x{number}",
    )  # fmt: skip
    return JournalEntry(
        account=ACCOUNT, exchange="bybit", currency="USDT",
        day=datetime.fromtimestamp(closed_ms / 1000, UTC).date().isoformat(), trip=trip,
        reason="" if is_foreign else _REASONS[number % 3],
        exit_purpose="stop_loss" if is_lost else "take_profit",
        first_stop=None if is_foreign else D("65495.8"), risk=risk,
        r_multiple=None if risk is None else net / risk,
        adverse=None if is_foreign else 9.37, favourable=None if is_foreign else 31.08,
        bars="" if is_foreign else "15m",
        unknown={} if not is_foreign else {
            "risk": "No order of ours opened it.",
            **dict.fromkeys(("adverse", "favourable"), "Its average prices are not known."),
        },
    )  # fmt: skip


class JournalKeeper:
    """Answers as the engine does; attribute `entries`, oldest first, may be changed."""

    def __init__(self, count: int = 10) -> None:
        self.entries = [sample_entry(i, count) for i in range(count)]
        self.refusal = ""

    def page(self, command: Command) -> CommandResult:
        assert isinstance(command, GetJournal)
        total = len(self.entries)
        end = total if command.end is None else command.end
        first = max(0, end - command.count)
        shown = self.entries[first:end]
        return CommandResult(0, True, journal=JournalPage(ACCOUNT, total, first, shown))

    def keep(self, command: Command) -> CommandResult:
        assert isinstance(command, WriteTradeNote)
        if self.refusal:
            return CommandResult(0, False, self.refusal)
        for i, entry in enumerate(self.entries):
            if entry.key == command.key:
                note = TradeNote(command.text.strip(), command.tags)
                self.entries[i] = msgspec.structs.replace(entry, note=note)
        return CommandResult(0, True, "The note is kept.")
