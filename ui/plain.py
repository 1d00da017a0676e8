"""Text from outside is plain text: an exchange's message must not become a link or a picture.

Labels are told so where they are made (`ui.widgets.basic.label`). A tooltip cannot be: Qt guesses,
so what could be taken for markup is escaped.
"""

from __future__ import annotations

import html


def tip(text: str) -> str:
    """`text` for a tooltip, to be read as it stands."""
    if "<" not in text:
        return text  # no tag, no markup
    lines = html.escape(text).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"
