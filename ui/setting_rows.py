"""Every setting of the screen, a line each: the dialog shows them, the settings file keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from ui import i18n, preferences, theme
from ui.look import SCHEMES, THEMES, apply_look
from ui.preferences import Preferences
from ui.settings import SCALES, ScreenSettings

LOOK, TRUST = "Look", "Money and questions"
_SWITCH = {"off": "Off", "on": "On"}
_KEYS = {
    "hides_balances": "money/hidden",
    "reduces_motion": "look/reduce_motion",
    "asks_less": "questions/fewer",
    "in_account_zone": "look/account_zone",
}


class SettingRow(NamedTuple):
    """Texts are English. `choices`: name -> word, off and on for a switch; `choose` takes effect
    at once."""

    name: str
    group: str
    title: str
    hint: str
    choices: Mapping[str, str]
    read: Callable[[ScreenSettings], str]
    choose: Callable[[ScreenSettings, str], None]

    @property
    def is_switch(self) -> bool:
        return self.choices is _SWITCH


def _switch(name: str, group: str, title: str, hint: str) -> SettingRow:
    """One of `Preferences`."""

    def read(_settings: ScreenSettings) -> str:
        return "on" if getattr(preferences.current(), name) else "off"

    def choose(settings: ScreenSettings, value: str) -> None:
        prefer(settings, name, on=value == "on")

    return SettingRow(name, group, title, hint, _SWITCH, read, choose)


def _choose_theme(settings: ScreenSettings, name: str) -> None:
    settings.theme = name
    apply_look(name, theme.current().scheme)


def _choose_colours(settings: ScreenSettings, name: str) -> None:
    settings.colours = name
    apply_look(theme.current().name, name)


def _choose_language(settings: ScreenSettings, name: str) -> None:
    settings.language = name
    i18n.use(name)


def _choose_scale(settings: ScreenSettings, name: str) -> None:
    settings.scale_percent = int(name)


ROWS = (
    SettingRow("theme", LOOK, "Theme", "", THEMES, lambda _s: theme.current().name, _choose_theme),
    SettingRow("colours", LOOK, "Market colours", "", SCHEMES, lambda _s: theme.current().scheme,
               _choose_colours),
    SettingRow("language", LOOK, "Language", "", i18n.LANGUAGES, lambda _s: i18n.language.name,
               _choose_language),
    SettingRow("scale", LOOK, "Scaling", "Counts from the next start.",
               {str(scale): f"{scale} %" for scale in SCALES}, lambda s: str(s.scale_percent),
               _choose_scale),
    _switch("reduces_motion", LOOK, "Less motion", "A changed price is not tinted."),
    _switch("in_account_zone", LOOK, "Times in the account's zone", "Otherwise in UTC."),
    _switch("hides_balances", TRUST, "Hide balances",
            "Every amount and size is shown as dots, on charts too."),
    _switch("asks_less", TRUST, "Fewer questions",
            "Closing and cancelling by mouse asks nothing. Real money, stops and keys always ask."),
)  # fmt: skip


def prefer(settings: ScreenSettings, name: str, *, on: bool) -> None:
    """Switch one of `Preferences`, for now and for the next start."""
    settings.set_on(_KEYS[name], on)
    preferences.use(msgspec.structs.replace(preferences.current(), **{name: on}))
    i18n.use(i18n.language.name)  # every text is written anew


def recall(settings: ScreenSettings) -> None:
    """The preferences as they were kept."""
    kept = {name: settings.is_on(key, default=False) for name, key in _KEYS.items()}
    preferences.use(Preferences(**kept))
