"""Text from outside is plain text: an exchange's message must not become a link or a picture.

Labels are told so where they are made (`ui.widgets.basic.label`). A tooltip cannot be: Qt guesses,
so what could be taken for markup is escaped. In menus and on buttons "&" makes a key of the letter
after it, so in a name it is doubled.
"""

from __future__ import annotations

import html


def tip(text: str) -> str:
    """`text` for a tooltip, to be read as it stands."""
    if "<" not in text:
        return text  # no tag, no markup
    lines = html.escape(text).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"


def caption(name: str) -> str:
    """`name` for a menu or a button, to be read as it stands."""
    return name.replace("&", "&&")
