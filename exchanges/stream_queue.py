"""Between the sockets of one exchange and its listener: what is delivered when, and what gives
way when the listener is slower than the market.

Every tick is delivered while the listener keeps up. When it does not (a socket brings more than
`BEHIND_AFTER` messages at once, or the last slice left some waiting), messages are still read and
understood as fast as they come, delivery goes in slices, and what waits is bounded: each topic
waits once, with its newest value, at most `QUEUE_CAPACITY` topics; the oldest ticks give way and
are counted. Closed candles go first and are never dropped; books go last, for each takes as long as
ten prices and nobody trades on it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from core.clock import Clock
from core.exchange_port import DepthListener, ExchangeListener
from core.models.candles import CandleUpdate
from exchanges.stream_channels import TopicChannel

log = logging.getLogger(__name__)

QUEUE_CAPACITY = 1000
DELIVERED_AT_ONCE = 256
BEHIND_AFTER = 100


class DeliveryQueue:
    """Attributes: listener; ticks_dropped, delivered, unreadable (counts); burst_s (monotonic
    time at which what is being read now arrived, 0.0 between bursts) and burst_messages."""

    listener: ExchangeListener
    depth_listener: DepthListener | None = None

    def __init__(self, exchange: str, clock: Clock) -> None:
        self.ticks_dropped = 0
        self.delivered = 0
        self.unreadable = 0
        self.burst_s = 0.0
        self.burst_messages = 0
        self._is_lagging = False
        self._exchange = exchange
        self.now_ms: Callable[[], int] = clock.time_ms  # market time
        self._now_s: Callable[[], float] = clock.monotonic_s
        self._clock = clock
        self._closed: deque[tuple[TopicChannel, CandleUpdate, float]] = deque()
        self._ticks: deque[TopicChannel] = deque()
        self._patient: deque[TopicChannel] = deque()  # delivered when no tick waits
        self._next_slice: asyncio.Handle | None = None
        self._has_complained = False

    def push(self, channel: TopicChannel) -> None:
        """`channel` has a tick; called when it is not queued yet."""
        channel.is_queued = True
        channel.received_s = self.burst_s
        (self._patient if channel.can_wait else self._ticks).append(channel)
        if len(self._ticks) + len(self._patient) > QUEUE_CAPACITY:
            oldest = (self._patient or self._ticks).popleft()
            oldest.is_queued = False
            self.ticks_dropped += oldest.discard()

    def make_way(self) -> None:
        """A topic that waits has something newer: what waits goes out first, or, when we are
        behind, is overtaken."""
        if self._is_lagging or self.burst_messages > BEHIND_AFTER:
            self.ticks_dropped += 1
        else:
            self._hand_over(self._ticks)

    def push_closed(self, channel: TopicChannel, update: CandleUpdate) -> None:
        self._closed.append((channel, update, self.burst_s))

    def latency_ms(self, exchange_time_ms: int) -> float:
        """Real ms from the exchange's stamp until now; clocks that differ by less than the way
        through the net give 0."""
        return max(0.0, (self.now_ms() - exchange_time_ms) / self._clock.rate)

    def deliver_soon(self) -> None:
        """More may follow in this burst; should its end not be told, the next turn delivers."""
        if self._next_slice is None:
            self._next_slice = asyncio.get_running_loop().call_soon(self._deliver_slice)

    def deliver(self) -> None:
        """The end of a burst: hand over every closed candle, and the oldest ticks of those that
        wait."""
        self.burst_s = 0.0
        self.burst_messages = 0
        self._hand_over(self._ticks, self._patient)
        if self._ticks or self._patient:
            self._is_lagging = True
            self.deliver_soon()
        else:
            self._is_lagging = False

    def _hand_over(self, *waiting: deque[TopicChannel]) -> None:
        """Every closed candle, then some of what waits: the first of these first."""
        while self._closed:
            channel, update, received_s = self._closed.popleft()
            self._note(channel, received_s)
            try:
                self.listener.on_candle(update, self.latency_ms(update.exchange_time_ms))
            except Exception:  # a listener's fault is its own; the stream goes on
                log.exception("a listener failed on a candle of %s", self._exchange)
        for channel in itertools.islice(_taken_from(waiting), DELIVERED_AT_ONCE):
            channel.is_queued = False
            self._note(channel, channel.received_s)
            try:
                channel.deliver()
            except msgspec.DecodeError as fault:
                self.complain(fault, channel.name.encode())
            except Exception:  # a listener's fault is its own; the stream goes on
                log.exception("a listener failed on a message from %s", self._exchange)

    def complain(self, fault: msgspec.DecodeError, payload: bytes) -> None:
        """Count a message that is not what it should be, and tell of the first one of a
        connection: a changed format comes in floods."""
        self.unreadable += 1
        if not self._has_complained:
            self._has_complained = True
            log.warning("unreadable message from %s: %s in %.200r", self._exchange, fault, payload)

    def complain_again(self) -> None:
        """A new connection: its first unreadable message is told once more."""
        self._has_complained = False

    def forget(self, channel: TopicChannel) -> None:
        """Nothing more of `channel` is delivered: it was given up."""
        if channel.is_queued:
            (self._patient if channel.can_wait else self._ticks).remove(channel)
            channel.is_queued = False
        self._closed = deque(entry for entry in self._closed if entry[0] is not channel)

    def close(self) -> None:
        if self._next_slice is not None:
            self._next_slice.cancel()
        self._ticks.clear()
        self._patient.clear()
        self._closed.clear()

    def _deliver_slice(self) -> None:
        self._next_slice = None
        self.deliver()

    def _note(self, channel: TopicChannel, received_s: float) -> None:
        self.delivered += 1
        channel.latencies_s.append(self._now_s() - received_s)


def _taken_from(waiting: Iterable[deque[TopicChannel]]) -> Iterator[TopicChannel]:
    """One by one: a listener may give topics up meanwhile."""
    for channels in waiting:
        while channels:
            yield channels.popleft()
