"""Every dialog of the screen, made as the window makes it, filled with one engine's afternoon.

A new dialog is a line here; `test_plain_text.py` fails when one is missing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType

import msgspec
from PyQt6.QtWidgets import QDialog
from sample_engine import preview_answer

from core.models.new_account import AccountAnswer, ExchangeChoice, NewAccount
from core.models.orders import OrderType, Side, TimeInForce
from core.models.tickets import OrderTicket
from core.snapshots import BotSnapshot, EngineSnapshot
from ui import dialogs
from ui.dialogs import bot_questions, questions
from ui.dialogs.accept_position import AcceptPositionDialog
from ui.dialogs.add_bot import AddBotDialog
from ui.dialogs.alerts import AlertDialog, AlertsDialog
from ui.dialogs.download import DownloadDialog
from ui.dialogs.key_wizard import KeyWizard
from ui.dialogs.ledger_difference import LedgerDifferenceDialog
from ui.dialogs.palette import Palette
from ui.dialogs.request_limits import RequestLimitsSheet
from ui.dialogs.scan_settings import ScanSettingsSheet
from ui.dialogs.settings import SettingsDialog
from ui.dialogs.sheet import Sheet
from ui.dialogs.shortcuts import ShortcutsDialog
from ui.dialogs.stored_data import StoredDataDialog
from ui.dialogs.workspace_name import WorkspaceName
from ui.main_window import MainWindow
from ui.palette_entries import entries_of

Make = Callable[[MainWindow], QDialog]


class Keeper:
    """Keeps no account."""

    start_command = "python run.py --config data/trading.toml"

    def exchanges(self) -> list[ExchangeChoice]:
        return [ExchangeChoice("bybit", "Bybit", True, True, False)]

    async def add(self, account: NewAccount) -> AccountAnswer:
        return AccountAnswer(False, f"{account.name} was not added.")


def engine(window: MainWindow) -> EngineSnapshot:
    assert window.bridge.snapshot is not None
    return window.bridge.snapshot


def scanner(window: MainWindow) -> BotSnapshot:
    """The scanning bot of the afternoon."""
    return next(bot for bot in engine(window).bots if bot.scan is not None)


def one(window: MainWindow) -> BotSnapshot:
    return engine(window).bots[0]


def ticket(window: MainWindow) -> OrderTicket:
    return OrderTicket(
        ticket_id="1", created_ms=1, account=engine(window).accounts[0].name,
        symbol=one(window).symbol, side=Side.BUY, order_type=OrderType.LIMIT,
        quantity=Decimal("0.01"), price=Decimal(66_950), time_in_force=TimeInForce.GTC,
        reduce_only=False,
    )  # fmt: skip


DIALOGS: dict[str, Make] = {
    "AcceptPositionDialog": lambda w: AcceptPositionDialog(w, w.bridge, "main", "SOLUSDT"),
    "AddBotDialog": lambda w: AddBotDialog(w, w.bridge, "BTCUSDT"),
    "AlertDialog": lambda w: AlertDialog(w, w.bridge, "BTCUSDT", Decimal(70_000)),
    "AlertsDialog": lambda w: AlertsDialog(w, w.bridge, w.alert_centre.sounds, None),
    "DownloadDialog": lambda w: DownloadDialog(w, w.bridge),
    "DuplicateSheet": lambda w: bot_questions.DuplicateSheet(w, w.bridge, one(w)),
    "KeyWizard": lambda w: KeyWizard(w, Keeper()),
    "LedgerDifferenceDialog": lambda w: LedgerDifferenceDialog(w, w.bridge, engine(w).accounts[0]),
    "NameSheet": lambda w: bot_questions.NameSheet(w, one(w)),
    "Palette": lambda w: Palette(w, entries_of(w)),
    "RequestLimitsSheet": lambda w: RequestLimitsSheet(w, w.bridge),
    "ScanSettingsSheet": lambda w: ScanSettingsSheet(w, w.bridge.bots[scanner(w).bot_id]),
    "SettingsDialog": lambda w: SettingsDialog(w, w.settings),
    "ShortcutsDialog": ShortcutsDialog,
    "SignalsSheet": lambda w: bot_questions.SignalsSheet(w, w.bridge, one(w)),
    "StoredDataDialog": lambda w: StoredDataDialog(w, w.bridge),
    "WorkspaceName": lambda w: WorkspaceName(w, "Rename", lambda _name: ""),
    "block_symbol": lambda w: bot_questions.block_symbol(w, "BTCUSDT", scanner(w)),
    "cancel_all": lambda w: questions.cancel_all(w, engine(w).working_orders),
    "cancel_and_close": lambda w: questions.cancel_and_close(
        w, engine(w).working_orders, engine(w).positions
    ),
    "cancel_order": lambda w: questions.cancel_order(w, engine(w).working_orders[0]),
    "cancel_stop": lambda w: questions.cancel_stop(w, engine(w).working_orders[0]),
    "close_all": lambda w: questions.close_all(w, engine(w).positions),
    "close_position": lambda w: questions.close_position(w, engine(w).positions[0]),
    "close_window": lambda w: questions.close_window(
        w, w.bridge, engine(w).bots, engine(w).positions
    ),
    "delete_workspace": lambda w: questions.delete_workspace(w, "<b>mine</b>"),
    "flatten": lambda w: questions.flatten(w, engine(w).positions),
    "place_live": lambda w: questions.place_live(w, ticket(w), preview_answer().preview),
    "remove_bot": lambda w: questions.remove_bot(w, one(w)),
    "remove_running": lambda w: bot_questions.remove_running(w, one(w), engine(w).positions),
    "resume_trading": questions.resume_trading,
    "start_live": lambda w: questions.start_live(w, w.bridge, one(w)),
    "stop_bot": lambda w: questions.stop_bot(w, one(w), engine(w).positions[0]),
    "stop_scanner": lambda w: bot_questions.stop_scanner(w, scanner(w), engine(w).positions),
}


def names_of_all() -> set[str]:
    """Every dialog class and every function that makes a question, found in the program."""
    found = set()
    for info in pkgutil.iter_modules(dialogs.__path__):
        module = importlib.import_module(f"{dialogs.__name__}.{info.name}")
        found |= {name for name in vars(module) if _makes_a_dialog(module, name)}
    return found - {Sheet.__name__}


def _makes_a_dialog(module: ModuleType, name: str) -> bool:
    thing = getattr(module, name)
    if getattr(thing, "__module__", "") != module.__name__ or name.startswith("_"):
        return False
    if isinstance(thing, type):
        return issubclass(thing, QDialog)
    return getattr(thing, "__annotations__", {}).get("return") == Sheet.__name__


def with_hostile_words(snapshot: EngineSnapshot, hostile: str) -> EngineSnapshot:
    """The same afternoon at an exchange, with bots and files whose words are not to be trusted."""
    replace = msgspec.structs.replace
    bots = [replace(bot, name=hostile, state_text=hostile) for bot in snapshot.bots]
    links = [replace(link, detail=hostile) for link in snapshot.connections]
    risk = replace(
        snapshot.risk,
        reason=hostile,
        limits=[replace(limit, consequence=hostile) for limit in snapshot.risk.limits],
    )
    limiters = [replace(limit, family=hostile) for limit in snapshot.limiters]
    return replace(
        snapshot, seq=snapshot.seq + 1, bots=bots, connections=links, risk=risk, limiters=limiters
    )
