"""Translations are complete, a broken settings file never blocks, hooks count, imports are lean."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
import threading
from pathlib import Path
from string import Formatter

import msgspec
import pytest
from PyQt6.QtCore import (
    QByteArray,
    QCoreApplication,
    QLocale,
    qInstallMessageHandler,
    qWarning,
)
from PyQt6.QtWidgets import QApplication, QLabel

from app.crash_guard import CrashGuard
from ui import i18n
from ui.models import words
from ui.settings import ScreenSettings

ROOT = Path(__file__).resolve().parents[3]
# call name -> which arguments are English texts that reach the trader
_TEXT_ARGUMENTS: dict[str, tuple[int, ...]] = {
    "tr": (0,), "set_text": (1,), "set_tool_tip": (1,), "set_placeholder": (1,), "label": (1,),
    "Panel": (0,), "Stat": (0,), "KeyValue": (0,), "EmptyState": (1, 2), "TextButton": (0,),
    "ActionButton": (0,), "set_hint": (0,), "IconButton": (1,), "Column": (0,),
    "SearchField": (0,), "Page": (0,),
    "_Item": (0,), "_Figure": (0,), "_form_label": (0,), "_Search": (0,), "BlotterPage": (0,),
    "MenuEntry": (0,), "_plain": (0,), "_judged": (0, 1),
    "_item": (1, 2, 3), "ValueField": (1, 2, 3),
    "SettingRow": (1, 2, 3), "_switch": (1, 2, 3),
}  # fmt: skip


def texts_of_the_screen() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for index in _TEXT_ARGUMENTS.get(name, ()):
                if index < len(node.args):
                    found |= {
                        part.value
                        for part in ast.walk(node.args[index])
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    }
    for table in (
        words.BOT_STATES, words.ENGINE_STATES, words.ORDER_STATES, words.ORDER_TYPES, words.SIDES,
        words.DIRECTIONS, words.PURPOSES, words.LIMITS, words.REQUEST_FAMILIES, words.LEDGER_KINDS,
        words.RULES, words.ADVICE, words.PARTS, words.SIZING, words.SYMBOL_STATES,
        words.PARAMETERS,
    ):  # fmt: skip
        found |= set(table.values())
    return {text for text in found if any(letter.isalpha() for letter in text)}


def catalogue() -> dict[str, str]:
    raw = (ROOT / "resources" / "translations" / "ko.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, dict[str, str]])["texts"]


def test_every_text_of_the_screen_has_its_korean() -> None:
    attribute_names = {"trText", "symbol", "text"}
    missing = texts_of_the_screen() - set(catalogue()) - attribute_names
    assert sorted(missing) == []


def test_translations_keep_the_placeholders() -> None:
    for english, korean in catalogue().items():
        names = {part[1] for part in Formatter().parse(english) if part[1]}
        kept = {part[1] for part in Formatter().parse(korean) if part[1]}
        assert kept <= names, english


def test_a_switch_renews_bound_texts_and_sentences(qapp: QApplication) -> None:
    label = QLabel()
    i18n.set_text(label, "Positions")
    i18n.use("ko")
    assert label.text() == "포지션"
    assert i18n.sentence("Warming up: 3 of 60 candles.") == "준비 중: 캔들 60개 중 3개."
    assert i18n.sentence("Nobody translated this.") == "Nobody translated this."
    i18n.use("en")
    assert label.text() == "Positions"


def test_an_unknown_language_is_refused(qapp: QApplication) -> None:
    with pytest.raises(KeyError, match="no translation"):
        i18n.use("tlh")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00garbage", b"not an ini file at all"])
def test_a_broken_settings_file_is_kept_as_backup(
    tmp_path: Path, qapp: QApplication, content: bytes
) -> None:
    (tmp_path / "screen.ini").write_bytes(content)
    settings = ScreenSettings(tmp_path)
    assert settings.theme == "dark"
    assert (tmp_path / "screen.ini.bak").read_bytes() == content


def test_settings_come_back_and_nonsense_is_the_default(tmp_path: Path, qapp: QApplication) -> None:
    settings = ScreenSettings(tmp_path)
    settings.theme, settings.colours, settings.language = "light", "korea", "ko"
    settings.window_geometry = QByteArray(b"12345")
    settings.save()
    again = ScreenSettings(tmp_path)
    assert (again.theme, again.colours, again.language) == ("light", "korea", "ko")
    again.theme = "pink"
    again.save()
    assert ScreenSettings(tmp_path).theme == "dark"


@pytest.mark.parametrize(
    ("name", "language", "colours"),
    [
        ("ko_KR", "ko", "korea"),
        ("en_US", "en", "global"),
        ("ja_JP", "en", "china"),
        ("zh_CN", "en", "china"),
        ("de_DE", "en", "global"),
    ],
)
def test_a_first_start_follows_the_computer(
    tmp_path: Path, qapp: QApplication, name: str, language: str, colours: str
) -> None:
    settings = ScreenSettings(tmp_path, QLocale(name))
    assert (settings.language, settings.colours, settings.theme) == (language, colours, "dark")
    settings.language, settings.colours = "en", "colour_blind"
    settings.save()
    again = ScreenSettings(tmp_path, QLocale("ko_KR"))
    assert (again.language, again.colours) == ("en", "colour_blind")


def test_a_reason_inside_a_sentence_is_translated_too(qapp: QApplication) -> None:
    i18n.use("ko")
    told = "trading is halted: The trader pressed the kill switch."
    assert i18n.sentence(told) == "거래가 정지됨: 트레이더가 긴급 정지를 눌렀습니다."
    assert i18n.title("risk") == "리스크"
    i18n.use("en")
    assert i18n.title("risk") == "Risk"


def test_the_guard_counts_exceptions_and_qt_warnings(
    qapp: QCoreApplication, fail_on_unexpected_log: list[logging.LogRecord]
) -> None:
    guard = CrashGuard()
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    before = qInstallMessageHandler(None)
    try:
        guard.install()
        error = ValueError("in a slot")
        sys.excepthook(ValueError, error, None)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        qWarning("a warning of Qt")
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        qInstallMessageHandler(before)
    assert (guard.unhandled_exceptions, guard.qt_warnings) == (2, 1)
    fail_on_unexpected_log.clear()


def test_the_screen_process_imports_no_heavy_library() -> None:
    code = (
        "import sys, app.screen_main, app.screenshots, ui.tabs.bot_tab, ui.tabs.capital_page; "
        "heavy = {'pandas', 'ccxt', 'pybit', 'talib', 'pyarrow', 'picows', 'aiohttp', "
        "'exchanges', 'strategies'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
