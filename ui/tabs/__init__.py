"""The pages beside the bots. A new one is a file here and a line in `PAGES`.

A page's module is imported when it is opened first: the window stands before its charts load.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, cast

from PyQt6.QtWidgets import QWidget

from ui.bridge import Bridge


class Page(NamedTuple):
    """`title` is English; `factory` is "module:class", a widget made from the bridge alone.

    The class has `set_narrow(bool)`.
    """

    title: str
    factory: str


PAGES = (
    Page("Charts", "ui.tabs.charts_page:ChartsPage"),
    Page("Capital", "ui.tabs.capital_page:CapitalPage"),
    Page("Journal", "ui.tabs.journal_page:JournalPage"),
    Page("Trail", "ui.tabs.trail_page:TrailPage"),
)


def make_page(page: Page, bridge: Bridge) -> QWidget:
    module, _, name = page.factory.partition(":")
    return cast("QWidget", getattr(import_module(module), name)(bridge))
