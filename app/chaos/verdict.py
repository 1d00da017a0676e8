"""What a judge has found: one broken promise of a kind is enough to fail a schedule."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """One broken promise. `kind` is one word, `text` a sentence."""

    kind: str
    text: str
    at_s: float


class Verdict:
    """Attributes: `failures`, the first of each kind."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s()`: seconds of the run."""
        self.failures: list[Failure] = []
        self._now_s = now_s

    def fail(self, kind: str, text: str) -> None:
        if all(failure.kind != kind for failure in self.failures):
            self.failures.append(Failure(kind, text, round(self._now_s(), 2)))
