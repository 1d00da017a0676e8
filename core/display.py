"""The one place where exact money becomes a float, for bars and curves on the screen.

Kept out of capital, risk and oms so that those rooms hold no float at all (rule 6).
"""

from __future__ import annotations

from decimal import Decimal


def display_number(value: Decimal) -> float:
    """Nearest float; never to be calculated with or turned back into money."""
    return float(value)
