"""What a layout of panels is: stripes side by side, cells in them, panels in those.

Kept as the docking library's own XML, readable and without compression, also where the library is
not in use yet. The library trusts what it reads, down to ending the process at a count that is
not there; so a layout is looked at here before it gets to see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from PyQt6.QtCore import QRect, QSize
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QWidget

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

GUTTER = 4
_MOST_PX = 100_000  # of a side; more is no screen
_MIN_SEEN = QSize(120, 40)  # of a window's head, so that it can be taken hold of


class Cell(NamedTuple):
    """Panels one behind the other; the first is in front. `height` px, 0 takes what is left."""

    height: int
    names: tuple[str, ...]


class Stripe(NamedTuple):
    """Cells one under the other. `width` px, 0 takes what is left."""

    width: int
    cells: tuple[Cell, ...]


Arrangement = tuple[Stripe, ...]


def structure_of(arrangement: Arrangement) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Which panel is where, without sizes."""
    return tuple(tuple(cell.names for cell in stripe.cells) for stripe in arrangement)


def place_of(arrangement: Arrangement, name: str) -> tuple[int, int]:
    """Stripe and cell of a panel. Raises KeyError."""
    for s, stripe in enumerate(arrangement):
        for c, cell in enumerate(stripe.cells):
            if name in cell.names:
                return s, c
    raise KeyError(name)


def shared(wanted: Iterable[int], room: int) -> list[int]:
    """Sizes in `room` px with gutters between; 0 becomes what is left, at least 100."""
    sizes = list(wanted)
    rest = max(room - sum(sizes) - GUTTER * (len(sizes) - 1), 100)
    return [size or rest for size in sizes]


def xml_of(arrangement: Arrangement, room: QSize) -> str:
    """An arrangement as a layout of `room` px. Names of panels are plain words."""
    columns = "".join(_stripe_xml(stripe, room.height()) for stripe in arrangement)
    if len(arrangement) > 1:
        widths = shared((stripe.width for stripe in arrangement), room.width())
        columns = (
            f'<Splitter Orientation="|" Count="{len(arrangement)}">{columns}'
            f"<Sizes>{' '.join(map(str, widths))} </Sizes></Splitter>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><QtAdvancedDockingSystem Version="1" '
        f'UserVersion="0" Containers="1"><Container Floating="0">{columns}'
        "</Container></QtAdvancedDockingSystem>"
    )


def _stripe_xml(stripe: Stripe, height: int) -> str:
    areas = ""
    for cell in stripe.cells:
        inside = "".join(f'<Widget Name="{n}" Closed="0"/>' for n in cell.names)
        areas += (
            f'<Area Tabs="{len(cell.names)}" Current="{cell.names[0]}" Flags="1">{inside}</Area>'
        )
    heights = shared((cell.height for cell in stripe.cells), height)
    return (
        f'<Splitter Orientation="-" Count="{len(stripe.cells)}">{areas}'
        f"<Sizes>{' '.join(map(str, heights))} </Sizes></Splitter>"
    )


def is_sound(layout: str, names: Iterable[str]) -> bool:
    """Whether it is a layout with these panels, once each."""
    found: list[str] = []
    try:
        root = _read(layout)
        if root.tag != "QtAdvancedDockingSystem" or root.get("Version") != "1":
            return False
        containers = list(root)
        sound = len(containers) == int(root.attrib["Containers"]) > 0
        sound = sound and [c.get("Floating") for c in containers[:1]] == ["0"]
        for container in containers:
            parts = [part for part in container if part.tag != "Geometry"]
            sound = sound and container.tag == "Container" and len(parts) == 1
            sound = sound and all(_is_sound_part(part, found) for part in parts)
    except (ValueError, KeyError):
        return False
    return sound and sorted(found) == sorted(names)


def _read(layout: str) -> Element:
    """Raises ValueError for what is not XML; a document type is not looked at."""
    from xml.etree.ElementTree import ParseError, fromstring

    if "<!" in layout:
        raise ValueError("a layout has no declarations")
    try:
        return fromstring(layout.strip())
    except ParseError as fault:
        raise ValueError(str(fault)) from fault


def _is_sound_part(part: Element, found: list[str]) -> bool:
    """A splitter or an area of panels, whose names are added to `found`."""
    if part.tag == "Area":
        names = [widget.attrib["Name"] for widget in part]
        found += names
        closed = {widget.attrib["Closed"] for widget in part}
        whole = len(names) == int(part.attrib["Tabs"]) > 0 and closed <= {"0", "1"}
        return whole and all(widget.tag == "Widget" and not len(widget) for widget in part)
    if part.tag != "Splitter" or part.get("Orientation") not in ("|", "-"):
        return False
    *inside, sizes = part
    widths = [int(size) for size in (sizes.text or "").split()]
    whole = sizes.tag == "Sizes" and len(inside) == len(widths) == int(part.attrib["Count"]) > 0
    whole = whole and all(0 <= width <= _MOST_PX for width in widths)
    return whole and all(_is_sound_part(one, found) for one in inside)


def bring_inside(window: QWidget) -> None:
    """A window that would stand on a screen that is gone comes to the main one."""
    place = window.frameGeometry()
    for screen in QGuiApplication.screens():
        head = QRect(place.topLeft(), QSize(place.width(), _MIN_SEEN.height()))
        seen = screen.availableGeometry().intersected(head)
        if seen.width() >= min(_MIN_SEEN.width(), place.width()) and not seen.isEmpty():
            return
    main = QGuiApplication.primaryScreen()
    if main is not None:
        room = main.availableGeometry()
        window.resize(window.size().boundedTo(room.size()))
        window.move(room.center() - window.rect().center())
