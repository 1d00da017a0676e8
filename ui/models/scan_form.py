"""The settings of a scan as a form: names, units, explanations, and what is wrong with an entry.

Limits are those of `ScanSettings` itself: what a field refuses, the engine would refuse too.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from core.parameter_form import ParameterForm, describe_parameters
from core.scanning.settings import ScanSettings
from ui.models.value_fields import ValueField, read_number

_FORMS: dict[str, ParameterForm] = {form.name: form for form in describe_parameters(ScanSettings)}
_LEAST_TURNOVER = msgspec.structs.replace(_FORMS["min_turnover_24h"], low=0.0)
_SPREAD = msgspec.structs.replace(_FORMS["max_spread_ratio"], above=0.0, high=1.0)
_FORMS |= {form.name: form for form in (_LEAST_TURNOVER, _SPREAD)}  # no limits of a Decimal's type


def _item(name: str, title: str, unit: str, hint: str, factor: int = 1) -> ValueField:
    """`factor`: how many of the setting's units one of the shown units is."""
    return ValueField(name, title, unit, hint, _FORMS[name], Decimal(factor))


SCAN_FIELDS: tuple[ValueField, ...] = (
    _item("signal_threshold", "Entry score", "of 100", "A symbol at or above it is entered."),
    _item("scan_interval_s", "Scan every", "s", "Also at once when every candle has closed."),
    _item("watch_count", "Symbols watched", "symbols", "The most traded that pass the filters."),
    _item("position_limit", "Positions at most", "at a time", "The strongest are entered first."),
    _item("cooldown_s", "Cool-down", "min", "A symbol rests after its position has ended.", 60),
    _item("min_turnover_24h", "Least volume", "USDT / 24 h", "Thinner symbols are left out."),
    _item("min_listing_days", "Listed for", "days", "Younger symbols are left out."),
    ValueField(
        "max_spread_ratio", "Spread at most", "%", "Of the middle price; wider is left out.",
        _FORMS["max_spread_ratio"], Decimal("0.01"),
    ),
    _item("universe_refresh_s", "Choose symbols every", "min", "By volume and filters.", 60),
    ValueField(
        "blocklist", "Blocklist", "", "Symbols never watched, with commas between.", None
    ),
)  # fmt: skip


def scan_texts(settings: ScanSettings) -> dict[str, str]:
    """The settings as the form shows them."""
    texts = {field.name: field.show(getattr(settings, field.name)) for field in SCAN_FIELDS[:-1]}
    return {**texts, "blocklist": ", ".join(settings.blocklist)}


def scan_settings(texts: Mapping[str, str]) -> ScanSettings:
    """The form's texts as settings. Raises ValueError where a field has a problem."""
    return ScanSettings(
        watch_count=int(_number(texts, "watch_count")),
        scan_interval_s=float(_number(texts, "scan_interval_s")),
        signal_threshold=float(_number(texts, "signal_threshold")),
        position_limit=int(_number(texts, "position_limit")),
        cooldown_s=float(_number(texts, "cooldown_s")),
        universe_refresh_s=float(_number(texts, "universe_refresh_s")),
        min_turnover_24h=_number(texts, "min_turnover_24h"),
        min_listing_days=float(_number(texts, "min_listing_days")),
        max_spread_ratio=_number(texts, "max_spread_ratio"),
        blocklist=tuple(sorted({s.strip().upper() for s in texts["blocklist"].split(",")} - {""})),
    )


def _number(texts: Mapping[str, str], name: str) -> Decimal:
    field = next(field for field in SCAN_FIELDS if field.name == name)
    return read_number(texts[name]) * field.factor
