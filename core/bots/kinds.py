"""The kinds of bot there are. A new one is one file and one line here."""

from __future__ import annotations

import difflib

from core.bots.bot import Bot
from core.bots.multi_trader import MultiTrader
from core.bots.unified_bot import UnifiedBot

BOT_KINDS: dict[str, type[Bot]] = {kind.__name__: kind for kind in (UnifiedBot, MultiTrader)}


def bot_kind(name: str) -> type[Bot]:
    """Look a kind up. Raises ValueError that names the likely one or all of them."""
    if name in BOT_KINDS:
        return BOT_KINDS[name]
    likely = difflib.get_close_matches(name, BOT_KINDS, n=1)
    known = f"did you mean {likely[0]!r}?" if likely else f"known: {', '.join(BOT_KINDS)}"
    raise ValueError(f"unknown kind {name!r}; {known}")
