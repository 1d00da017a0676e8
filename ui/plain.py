"""Text from outside is plain text: an exchange's message must not become a link or a picture.

Labels are told so where they are made (`ui.widgets.basic.label`). A tooltip cannot be: Qt guesses,
so what it would take for markup is escaped.
"""

from __future__ import annotations

import html

from PyQt6.QtCore import Qt


def tip(text: str) -> str:
    """`text` for a tooltip, to be read as it stands."""
    if not Qt.mightBeRichText(text):
        return text
    lines = html.escape(text).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"
