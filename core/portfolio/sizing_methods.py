"""The sizing methods by name, as the configuration spells them; a new one is a line here."""

from __future__ import annotations

from collections.abc import Callable

from core.portfolio.fixed_percent import FixedPercent
from core.portfolio.sizing import SizingMethod

SIZING_METHODS: dict[str, Callable[[], SizingMethod]] = {
    FixedPercent.name: FixedPercent,
}
