"""When it is proved that an exchange never received an order.

One "not found" proves nothing: the request may still be on its way, the exchange's index lags,
and a node that has lost its data answers every question with nothing. So the question has to
start after the last moment of arrival, the exchange has to know, in the same breath, an order
that is certainly there (a witness), and it has to say so several times in a row.
"""

from __future__ import annotations

from core.clock import Clock

NEEDED_ANSWERS = 3
WITNESS_AGE_MS = 24 * 3_600_000  # every exchange remembers for so long what was filled


class AbsenceProof:
    """Per client order id: since when its fate is open, and how many answers count against it."""

    def __init__(self, clock: Clock, arrival_s: float) -> None:
        """`arrival_s`: real seconds after which a request can no longer arrive."""
        self._clock = clock
        self._arrival_s = arrival_s
        self._since_s: dict[str, float] = {}
        self._answers: dict[str, int] = {}

    def is_open(self, client_order_id: str) -> bool:
        return client_order_id in self._since_s

    def begin(self, client_order_id: str, open_s: float = 0.0) -> None:
        """Its request has left, `open_s` real seconds ago at most, and nobody knows more."""
        self._since_s[client_order_id] = self._clock.monotonic_s() - open_s
        self._answers.pop(client_order_id, None)

    def can_arrive(self, client_order_id: str) -> bool:
        """True while a "not found" to a question that starts now would mean nothing."""
        since_s = self._since_s.get(client_order_id)
        return since_s is None or self._clock.monotonic_s() - since_s < self._arrival_s

    def count(self, client_order_id: str) -> bool:
        """One more answer that can be believed says that it is not there; True once that is
        proved."""
        answers = self._answers.get(client_order_id, 0) + 1
        self._answers[client_order_id] = answers
        return answers >= NEEDED_ANSWERS

    def doubt(self, client_order_id: str) -> None:
        """The exchange does not even know what is certainly there: the count starts anew."""
        self._answers.pop(client_order_id, None)

    def end(self, client_order_id: str) -> None:
        """Its fate is known."""
        self._since_s.pop(client_order_id, None)
        self._answers.pop(client_order_id, None)
