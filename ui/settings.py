"""What the screen remembers between starts: look, language, window place.

An INI file in the data directory, never the registry: two workstations on two data directories
do not share it, and a trader can read it. A file that cannot be read is put aside as `.bak` and
the screen starts with defaults: a broken layout must never stand between a trader and a position.
What was never chosen follows the computer's language and country.
"""

from __future__ import annotations

import logging
from pathlib import Path

from PyQt6.QtCore import QByteArray, QLocale, QSettings

from ui import i18n

_LOG = logging.getLogger(__name__)
THEMES = ("dark", "light")
SCHEMES = ("global", "korea", "china", "colour_blind")
SCALES = (100, 125, 150, 175, 200)  # percent


_RED_IS_UP = (
    QLocale.Country.China, QLocale.Country.Japan, QLocale.Country.Taiwan,
    QLocale.Country.HongKong, QLocale.Country.Macao,
)  # fmt: skip


def language_of(locale: QLocale) -> str:
    """Korean where the computer speaks it, else English."""
    return "ko" if locale.language() is QLocale.Language.Korean else "en"


def colours_of(locale: QLocale) -> str:
    """The market colours that a trader there has learnt."""
    if language_of(locale) == "ko" or locale.territory() is QLocale.Country.SouthKorea:
        return "korea"
    return "china" if locale.territory() in _RED_IS_UP else "global"


class ScreenSettings:
    """Typed access to `<data_dir>/screen.ini`; every unreadable value is its default."""

    def __init__(self, data_dir: Path, locale: QLocale | None = None) -> None:
        """`locale` None is the computer's."""
        self._locale = locale or QLocale.system()
        self._path = data_dir / "screen.ini"
        self._put_aside_if_broken()
        self._store = QSettings(str(self._path), QSettings.Format.IniFormat)

    @property
    def folder(self) -> Path:
        return self._path.parent

    @property
    def theme(self) -> str:
        return self._choice("look/theme", THEMES, THEMES[0])

    @theme.setter
    def theme(self, name: str) -> None:
        self._store.setValue("look/theme", name)

    @property
    def colours(self) -> str:
        return self._choice("look/colours", SCHEMES, colours_of(self._locale))

    @colours.setter
    def colours(self, name: str) -> None:
        self._store.setValue("look/colours", name)

    @property
    def language(self) -> str:
        return self._choice("look/language", tuple(i18n.LANGUAGES), language_of(self._locale))

    @language.setter
    def language(self, name: str) -> None:
        self._store.setValue("look/language", name)

    @property
    def scale_percent(self) -> int:
        """How large everything is drawn; counts from the next start."""
        names = tuple(str(scale) for scale in SCALES)
        return int(self._choice("look/scale", names, names[0]))

    @scale_percent.setter
    def scale_percent(self, scale: int) -> None:
        self._store.setValue("look/scale", str(scale))

    @property
    def window_geometry(self) -> QByteArray | None:
        value = self._store.value("window/geometry")
        return value if isinstance(value, QByteArray) else None

    @window_geometry.setter
    def window_geometry(self, geometry: QByteArray) -> None:
        self._store.setValue("window/geometry", geometry)

    @property
    def workspace(self) -> str:
        """The name of the one in use; "" before there was one."""
        value = self._store.value("window/workspace")
        return value if isinstance(value, str) else ""

    @workspace.setter
    def workspace(self, name: str) -> None:
        self._store.setValue("window/workspace", name)

    @property
    def engine_pid(self) -> int | None:
        """The engine that a screen of this data directory has started, if one has."""
        value = self._store.value("engine/pid")
        return int(value) if isinstance(value, str | int) and str(value).isdecimal() else None

    @engine_pid.setter
    def engine_pid(self, pid: int | None) -> None:
        self._store.setValue("engine/pid", pid)

    def is_on(self, key: str, *, default: bool) -> bool:
        """A switch by its name in the file."""
        return str(self._store.value(key, default)).lower() == "true"

    def set_on(self, key: str, on: bool) -> None:
        self._store.setValue(key, on)

    def save(self) -> None:
        """Write now rather than when Qt finds the time."""
        self._store.sync()

    def _choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self._store.value(key)
        return value if isinstance(value, str) and value in choices else default

    def _put_aside_if_broken(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self._put_aside(str(error))
            return
        probe = QSettings(str(self._path), QSettings.Format.IniFormat)
        probe.allKeys()
        if probe.status() is not QSettings.Status.NoError or (text.strip() and not probe.allKeys()):
            del probe
            self._put_aside("it is not an INI file")

    def _put_aside(self, reason: str) -> None:
        backup = self._path.with_suffix(".ini.bak")
        try:
            self._path.replace(backup)
        except OSError as error:
            _LOG.info("settings %s stay unreadable: %s", self._path, error)
        else:
            _LOG.info("settings were unreadable (%s), kept as %s", reason, backup)
