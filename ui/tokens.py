"""The token table: every colour of the product, once.

Palette, stylesheet, delegates and charts all read these names, so a theme or an up/down scheme
changes everywhere at once and no panel carries a colour of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ThemeName = Literal["dark", "light"]
SchemeName = Literal["global", "korea", "china", "colour_blind"]

THEME_NAMES: tuple[ThemeName, ...] = ("dark", "light")
SCHEME_NAMES: tuple[SchemeName, ...] = ("global", "korea", "china", "colour_blind")


class Tokens(msgspec.Struct, frozen=True):
    """Colours as `#RRGGBB`; `hover` and `press` as `#AARRGGBB`, laid over what is below.

    Surfaces e0 (window) to e3 (popups); `track` is the ground of a bar; text t1 value, t2 label,
    t3 caption; `accent` for text and lines, `afill` for a filled button with white text; `warn`
    is text, `warnf` a fill under `on_warn`; `danger` is text and outline, `dfill` a fill under
    white; `tag` is the crosshair's label under white text; `reserved`, `free` and `kept` are
    parts of the capital bar; up/down are text and candles, *_fill buttons under white text.
    """

    e0: str
    e1: str
    e2: str
    e3: str
    e3_border: str
    track: str
    line: str
    line2: str
    grid: str
    t1: str
    t2: str
    t3: str
    accent: str
    afill: str
    sel: str
    warn: str
    warnf: str
    on_warn: str
    danger: str
    dfill: str
    sand: str
    tag: str
    reserved: str
    free: str
    kept: str
    hover: str
    press: str
    up: str = ""
    down: str = ""
    up_fill: str = ""
    down_fill: str = ""


_DARK = Tokens(
    e0="#0B0D11",
    e1="#12151A",
    e2="#1A1E26",
    e3="#242A35",
    e3_border="#313947",
    track="#242A35",
    line="#1F242D",
    line2="#313947",
    grid="#181C23",
    t1="#E6E9EE",
    t2="#A3ACBA",
    t3="#7F899B",
    accent="#9A8FFA",
    afill="#6A5AE6",
    sel="#1E1C36",
    warn="#E9CF4F",
    warnf="#E9CF4F",
    on_warn="#1B1700",
    danger="#F0529F",
    dfill="#C2247A",
    sand="#D6B477",
    tag="#313947",
    reserved="#C9C2FF",
    free="#4A5264",
    kept="#2B3240",
    hover="#0FFFFFFF",  # 6 % white
    press="#45000000",  # 27 % black
)

_LIGHT = Tokens(
    e0="#E9ECF0",
    e1="#FFFFFF",
    e2="#F3F5F8",
    e3="#FFFFFF",
    e3_border="#CBD2DC",
    track="#E4E8EE",
    line="#E6E9EE",
    line2="#CBD2DC",
    grid="#F0F2F5",
    t1="#14181F",
    t2="#505B6B",
    t3="#667183",
    accent="#5546D6",
    afill="#5B4BDB",
    sel="#EEECFD",
    warn="#8F6B00",
    warnf="#D6A200",
    on_warn="#1B1700",
    danger="#B8186E",
    dfill="#B8186E",
    sand="#A87B22",
    tag="#313947",  # line2 is too pale for the white text on it
    reserved="#B9B1F5",
    free="#9AA5B5",
    kept="#D3D9E2",
    hover="#0A000000",  # 4 % black
    press="#45000000",
)

_BASE: dict[ThemeName, Tokens] = {"dark": _DARK, "light": _LIGHT}

# (up, down, up fill, down fill)
_MARKET: dict[SchemeName, dict[ThemeName, tuple[str, str, str, str]]] = {
    "global": {
        "dark": ("#26A69A", "#EF5350", "#12857A", "#CE403E"),
        "light": ("#0B8376", "#D23430", "#0E8074", "#CB3A37"),
    },
    "korea": {
        "dark": ("#F0574F", "#4C8DF6", "#CF3F38", "#2667CF"),
        "light": ("#D0342C", "#1261C4", "#CF3B33", "#1261C4"),
    },
    "china": {
        "dark": ("#F0574F", "#2FA866", "#CF3F38", "#1C7F4B"),
        "light": ("#D0342C", "#17784A", "#CF3B33", "#17784A"),
    },
    "colour_blind": {
        "dark": ("#4FA3F7", "#F0883E", "#1F6FC4", "#B55A12"),
        "light": ("#0B6FC2", "#B4540A", "#0B6FC2", "#B4540A"),
    },
}


def tokens(name: ThemeName, scheme: SchemeName) -> Tokens:
    """The whole table for one theme and one up/down scheme."""
    up, down, up_fill, down_fill = _MARKET[scheme][name]
    return msgspec.structs.replace(
        _BASE[name], up=up, down=down, up_fill=up_fill, down_fill=down_fill
    )
