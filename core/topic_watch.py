"""Single topics of a stream that are not what they should be, told to the trader in one sentence.

What falls silent together is told together, and nothing is told of silence while the whole stream
is down: that has been said already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.models.streams import Topic, TopicState

_NAMED = 3


class TopicWatch:
    """`report(text)` gets a sentence, at most one a turn of the loop and kind of news."""

    def __init__(self, report: Callable[[str], None], is_up: Callable[[], bool]) -> None:
        self._report = report
        self._is_up = is_up
        self._troubles: dict[Topic, tuple[TopicState, str]] = {}
        self._news: list[Topic] = []

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        if state is TopicState.LIVE:
            self._troubles.pop(topic, None)
            return
        self._troubles[topic] = (state, text)
        if not self._news:
            asyncio.get_running_loop().call_soon(self._tell)
        self._news.append(topic)

    def trouble(self, symbol: str) -> str:
        """Why data of this symbol are not to be trusted now, one sentence; "" when they are."""
        for topic, (state, text) in self._troubles.items():
            if topic.symbol == symbol:
                return _sentence([topic], state, text)
        return ""

    def _tell(self) -> None:
        news, self._news = self._news, []
        by_state: dict[TopicState, list[Topic]] = {}
        for topic in news:
            if topic in self._troubles:
                by_state.setdefault(self._troubles[topic][0], []).append(topic)
        for state, topics in by_state.items():
            if state is TopicState.REFUSED or self._is_up():
                self._report(_sentence(topics, state, self._troubles[topics[0]][1]))


def _sentence(topics: list[Topic], state: TopicState, text: str) -> str:
    names = [f"{topic.symbol} {_what(topic)}" for topic in topics[:_NAMED]]
    if len(topics) > _NAMED:
        names.append(f"{len(topics) - _NAMED} more")
    who = ", ".join(names)
    if state is TopicState.REFUSED:
        return f"{who}: the exchange refuses the subscription ({text}); asked again later"
    return f"{who}: {text}; subscribed anew"


def _what(topic: Topic) -> str:
    return f"{topic.timeframe.value} candles" if topic.timeframe else topic.channel.value
