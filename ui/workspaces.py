"""Named workspaces: how the trader has arranged the screen, one small JSON file each.

They hold panels, tabs in windows of their own, timeframes, indicators and scales. Drawings belong
to their symbol and are the same in all of them. A file that cannot be read is put aside as `.bak`
and told; the workspace begins anew: a broken layout must never stand between a trader and a
position.
"""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from core.storage.durable import write_atomic
from ui.chart_memory import ChartLayout

_LOG = logging.getLogger(__name__)
FIRST = "Main"  # the one that is always there
_LONGEST = 40


class TabLayout(msgspec.Struct, frozen=True):
    """One bot's tab. `panels` as `Docks.layout_now` gives it; `window`: the geometry (hex) of its
    own window while it stands in one; `chart` None: as the chart was last."""

    panels: str = ""
    timeframe: str = ""
    chart: ChartLayout | None = None
    window: str = ""


class Workspace(msgspec.Struct, frozen=True):
    """`front` is a bot's id or a page's title; `left` the column of bots and watchlist."""

    front: str = ""
    left: str = ""
    tabs: dict[str, TabLayout] = {}


class WorkspaceFiles:
    """Those in one folder. Writing raises OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """The first one first, the others by the alphabet."""
        found = {unquote(path.stem) for path in self._folder.glob("*.json")} - {FIRST}
        return [FIRST, *sorted(found, key=str.casefold)]

    def load(self, name: str) -> tuple[Workspace, str]:
        """The workspace, and where its file went (English) if it could not be read."""
        path = self._path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Workspace), ""
        except FileNotFoundError:
            return Workspace(), ""
        except (OSError, msgspec.MsgspecError) as fault:
            return Workspace(), self._put_aside(path, str(fault))

    def keep_aside(self, name: str) -> str:
        """The file is fine and what it says is not; as `load`."""
        return self._put_aside(self._path(name), "its layout does not fit this program")

    def save(self, name: str, workspace: Workspace) -> None:
        write_atomic(self._path(name), msgspec.json.format(msgspec.json.encode(workspace)))

    def rename(self, name: str, new: str) -> None:
        self._path(name).replace(self._path(new))

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def refusal(self, name: str) -> str:
        """Why a new workspace cannot be called so, in English; "" if it can."""
        if not name.strip():
            return "A workspace needs a name"
        if len(name) > _LONGEST:
            return "The name is too long"
        if name.strip().casefold() in {known.casefold() for known in self.names()}:
            return "There is a workspace of that name"
        return ""

    def _path(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe=' ')}.json"

    def _put_aside(self, path: Path, reason: str) -> str:
        backup = path.with_suffix(".json.bak")
        _LOG.info("workspace %s is unreadable (%s), kept as %s", path, reason, backup.name)
        try:
            path.replace(backup)
        except OSError as fault:
            return f"The layout could not be read: {fault}"
        return f"The layout could not be read; it is kept as {backup.name}"
