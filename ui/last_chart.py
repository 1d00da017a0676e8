"""The chart that the last run ended with, so that the next one paints before any engine answers.

It is shown as what it is: old. The file is a convenience; one that is missing, damaged or of
another version is no chart and no error.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from core.models.instruments import Instrument
from core.snapshots import PROTOCOL_VERSION, BotSnapshot, CandleBlock
from core.storage.durable import write_atomic

_LOG = logging.getLogger(__name__)


class LastChart(msgspec.Struct, frozen=True):
    """The bot whose tab was in front, its instrument, and the newest bars of its chart."""

    bot: BotSnapshot
    instrument: Instrument
    block: CandleBlock
    protocol_version: int = PROTOCOL_VERSION


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "last_chart.bin"


def recall(data_dir: Path) -> LastChart | None:
    """What the last run kept in this data directory; None where there is nothing to show."""
    try:
        last = msgspec.msgpack.decode(_path(data_dir).read_bytes(), type=LastChart)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as fault:
        _LOG.info("the last chart cannot be shown: %s", fault)
        return None
    is_ours = last.protocol_version == PROTOCOL_VERSION and last.block.rows > 0
    return last if is_ours and last.instrument.symbol == last.block.symbol else None


def keep(data_dir: Path, last: LastChart) -> None:
    """Replace what was kept before, whole or not at all. Raises OSError."""
    write_atomic(_path(data_dir), msgspec.msgpack.encode(last))
