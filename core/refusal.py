"""The one word for "no" to a trader's wish."""

from __future__ import annotations


class Refused(Exception):
    """A command that cannot be done; the sentence says why."""
