"""Single topics of a stream that are not what they should be, told to the trader in one sentence.

A market may pause for longer than the fifteen seconds after which a topic counts as stale, and
most silences end with the new subscription: a silence is told when it goes on for another minute,
what falls silent together is told together, and nothing is told of silence while the whole stream
is down: that has been said already. A refusal is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.models.streams import Topic, TopicState

TOLD_AFTER_S = 60.0
_NAMED = 3


class TopicWatch:
    """`report(text)` gets one sentence for each kind of news; `is_up` says whether the stream as a
    whole is connected. Seconds are the loop's."""

    def __init__(self, report: Callable[[str], None], is_up: Callable[[], bool]) -> None:
        self._report = report
        self._is_up = is_up
        self._troubles: dict[Topic, TopicState] = {}
        self._silent: list[Topic] = []  # to be told of in a minute, if they still are
        self._refused: list[tuple[Topic, str]] = []

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        loop = asyncio.get_running_loop()
        if state is TopicState.LIVE:
            self._troubles.pop(topic, None)
            return
        self._troubles[topic] = state
        if state is TopicState.REFUSED:
            if not self._refused:
                loop.call_soon(self._tell_refused)
            self._refused.append((topic, text))
        else:
            if not self._silent:
                loop.call_later(TOLD_AFTER_S, self._tell_silent)
            self._silent.append(topic)

    def forget(self, topic: Topic) -> None:
        """Nobody needs it any more."""
        self._troubles.pop(topic, None)

    def _tell_silent(self) -> None:
        silent, self._silent = self._silent, []
        still = [t for t in silent if self._troubles.get(t) is TopicState.STALE]
        if still and self._is_up():
            self._report(
                f"{_names(still)}: nothing has come for more than a minute, though it was asked "
                "for anew. Is it still traded?"
            )

    def _tell_refused(self) -> None:
        refused, self._refused = self._refused, []
        names = _names([topic for topic, _ in refused])
        self._report(
            f"{names}: the exchange refuses the subscription ({refused[0][1]}); "
            "it is asked again now and then."
        )


def _names(topics: list[Topic]) -> str:
    names = [f"{topic.symbol} {_what(topic)}" for topic in topics[:_NAMED]]
    if len(topics) > _NAMED:
        names.append(f"{len(topics) - _NAMED} more")
    return ", ".join(names)


def _what(topic: Topic) -> str:
    return f"{topic.timeframe.value} candles" if topic.timeframe else topic.channel.value
