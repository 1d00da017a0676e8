"""One connection of a public stream and the topics it carries, for ever.

A supervised task connects, subscribes, waits for the acknowledgements, watches that the
connection lives, and starts over after a wait with full jitter. Topics may come and go at any
time; the connection follows. One topic that the exchange refuses does not cost the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

import msgspec

from core.clock import Clock
from core.exchange_port import StreamState
from core.models.streams import TopicState
from exchanges.stream_backoff import ConnectBudget, FullJitterBackoff
from exchanges.stream_channels import TopicChannel
from exchanges.stream_connection import Connect, Connection, StreamTiming
from exchanges.stream_dialect import (
    Answer,
    Goodbye,
    Ignored,
    Message,
    Reply,
    Request,
    StreamDialect,
)
from exchanges.stream_queue import DeliveryQueue

log = logging.getLogger(__name__)

REFUSED_AGAIN_S = 30.0  # at first; whoever asks again makes it longer


class ShardOwner(Protocol):
    """Told of what concerns more than this connection."""

    def on_shard_state(self, shard: StreamShard, state: StreamState, detail: str) -> None: ...

    def on_topic_state(self, channel: TopicChannel, state: TopicState, text: str) -> None: ...


class StreamShard:
    """Attributes: channels (by wire name), state, connects, unrouted, is_ready (connected, and
    what was asked first is acknowledged)."""

    def __init__(
        self,
        url: str,
        *,
        owner: ShardOwner,
        dialect: StreamDialect,
        queue: DeliveryQueue,
        connect: Connect,
        clock: Clock,
        backoff: FullJitterBackoff,
        budget: ConnectBudget,
        timing: StreamTiming,
    ) -> None:
        self.url = url
        self.channels: dict[str, TopicChannel] = {}
        self.state = StreamState.CONNECTING
        self.was_connected = False
        self.is_ready = False
        self.connects = 0
        self.unrouted = 0
        self._owner = owner
        self._dialect = dialect
        self._parse = dialect.parse
        self._queue = queue
        self._connect = connect
        self._clock = clock
        self._now_s = clock.monotonic_s
        self._backoff = backoff
        self._budget = budget
        self._timing = timing
        self._task: asyncio.Task[None] | None = None
        self._link: _Link | None = None
        self._asked: list[tuple[bool, str]] = []  # (is_unsubscribe, name), to go out this turn

    def start(self) -> None:
        name = f"{self._dialect.exchange} public stream"
        self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ---- topics

    def add(self, channel: TopicChannel) -> None:
        self.channels[channel.name] = channel
        self._ask(is_unsubscribe=False, names=[channel.name])

    def remove(self, channel: TopicChannel) -> None:
        del self.channels[channel.name]
        self._ask(is_unsubscribe=True, names=[channel.name])

    def ask_again(self, channels: Iterable[TopicChannel]) -> None:
        """Give these topics up and subscribe anew, the others untouched."""
        names = [channel.name for channel in channels]
        self._ask(is_unsubscribe=True, names=names)
        self._ask(is_unsubscribe=False, names=names)

    def _ask(self, *, is_unsubscribe: bool, names: list[str]) -> None:
        """What is asked within one turn of the loop goes out in as few frames as possible."""
        if self._link is None:
            return  # the next connection begins with all of `channels`
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._send_asked)
        self._asked += [(is_unsubscribe, name) for name in names]

    def _send_asked(self) -> None:
        asked, self._asked = self._asked, []
        if self._link is None:
            return
        for is_unsubscribe, group in itertools.groupby(asked, key=lambda ask: ask[0]):
            names = list(dict.fromkeys(name for _, name in group))
            self._link.request(names, is_unsubscribe=is_unsubscribe)

    # ---- the connection's life

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._budget.wait()
            self._tell(StreamState.CONNECTING, f"connecting to {self.url}")
            self.connects += 1
            started_s = clock()
            try:
                detail = await self._one_connection()
            except (OSError, TimeoutError) as fault:
                detail = f"no connection to {self.url}: {str(fault) or 'no answer in time'}"
            except Exception as fault:  # the stream must outlive its own bugs: seen, then retried
                log.exception("the public stream of %s failed", self._dialect.exchange)
                detail = f"{type(fault).__name__}: {fault}"
            self._backoff.connection_lasted(clock() - started_s)
            delay_s = self._backoff.next_delay_s()
            self._tell(StreamState.DISCONNECTED, f"{detail}; next attempt in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)

    async def _one_connection(self) -> str:
        """From the handshake until the connection ends; returns why it ended."""
        link = _Link(self, self._dialect, self._timing)
        async with asyncio.timeout(self._timing.answer_timeout_s):
            connection = await self._connect(self.url, link)
        link.open(connection)
        self._queue.complain_again()
        for channel in self.channels.values():
            channel.begin()
        self._link = link
        try:
            topics = list(self.channels)
            link.request(topics, is_unsubscribe=False)
            if await link.acknowledged():
                self.is_ready = self.was_connected = True
                self._tell(StreamState.CONNECTED, f"{len(topics)} topics")
                await link.watch()
        finally:
            self._link = None
            self.is_ready = False
            link.close()
        return link.end_reason

    def _tell(self, state: StreamState, detail: str) -> None:
        self.state = state
        self._owner.on_shard_state(self, state, detail)

    # ---- what its link brings

    def on_payload(self, payload: bytes, is_last: bool) -> Message | None:
        """Route one message; what belongs to no topic goes back to the link."""
        queue = self._queue
        if not queue.burst_s:
            queue.burst_s = self._now_s()
        queue.burst_messages += 1
        control = None
        try:
            message = self._parse(payload)
            channel = self.channels.get(message.name)
            if channel is None:
                control = message
            else:
                channel.is_heard = True
                channel.messages += 1
                channel.take(message)
        except msgspec.DecodeError as fault:
            queue.complain(fault, payload)
        if is_last:
            queue.deliver()
        else:
            queue.deliver_soon()
        return control

    def refused(self, name: str, text: str) -> None:
        """One topic that the exchange will not serve now; it is asked again later."""
        channel = self.channels.get(name)
        if channel is None:
            return
        channel.patience_s = channel.patience_s or REFUSED_AGAIN_S
        channel.ask_again_s = self._now_s() + channel.patience_s
        if channel.state is not TopicState.REFUSED:
            log.warning("%s refused the subscription %s: %s", self._dialect.exchange, name, text)
            self._owner.on_topic_state(channel, TopicState.REFUSED, text)


class _Link:
    """One connection: what was asked, what was acknowledged, whether anything is heard."""

    def __init__(self, shard: StreamShard, dialect: StreamDialect, timing: StreamTiming) -> None:
        self.end_reason = "the connection was closed"
        self._shard = shard
        self._dialect = dialect
        self._timing = timing
        self._connection: Connection | None = None
        self._pending: dict[str, Request] = {}  # by request id, or by the topic's name
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()
        self._heard = True
        self._outbox: deque[bytes] = deque()
        self._next_send: asyncio.TimerHandle | None = None

    def open(self, connection: Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        if self._next_send is not None:
            self._next_send.cancel()
        if self._connection is not None:
            self._connection.close()

    # ---- called by the connection

    def on_message(self, payload: bytes, is_last: bool) -> None:
        self._heard = True
        message = self._shard.on_payload(payload, is_last)
        if message is not None:
            self._on_control(message)

    def on_alive(self) -> None:
        self._heard = True

    def on_closed(self, reason: str) -> None:
        if not self._ended.is_set():
            self.end_reason = reason
        self._ended.set()
        self._settled.set()

    # ---- requests and their answers

    def request(self, names: list[str], *, is_unsubscribe: bool) -> None:
        everything = list(self._shard.channels)
        if is_unsubscribe:
            requests = self._dialect.unsubscribe(names, everything)
        else:
            requests = self._dialect.subscribe(names, everything)
        for request in requests:
            if request.is_answered:
                for key in [request.request_id] if request.request_id else request.names:
                    self._pending[key] = request
            self._send(request.payload)
        self._look_settled()

    def _send(self, payload: bytes) -> None:
        self._outbox.append(payload)
        if self._next_send is None:
            self._send_next()

    def _send_next(self) -> None:
        """As fast as the exchange takes frames."""
        self._next_send = None
        pause_s = self._dialect.limits.pause_s
        while self._outbox and self._connection is not None:
            self._connection.send(self._outbox.popleft())
            if pause_s:
                loop = asyncio.get_running_loop()
                self._next_send = loop.call_later(pause_s, self._send_next)
                return

    def _on_control(self, message: Message) -> None:
        if isinstance(message, Answer):
            self._on_answer(message)
        elif isinstance(message, Reply):
            self._send(message.payload)
        elif isinstance(message, Goodbye):
            self.on_closed(message.text)
        elif not isinstance(message, Ignored) or message.topic:
            self._shard.unrouted += 1

    def _on_answer(self, answer: Answer) -> None:
        request = self._pending.pop(answer.request_id or answer.topic, None)
        if request is not None and not request.is_unsubscribe and not answer.is_accepted:
            names = [answer.topic] if answer.topic else list(request.names)
            if len(names) == 1:
                self._shard.refused(names[0], answer.text)
            else:  # one bad topic spoils its batch: ask again one by one
                for name in names:
                    self.request([name], is_unsubscribe=False)
        self._look_settled()

    def _look_settled(self) -> None:
        if self._pending:
            self._settled.clear()
        else:
            self._settled.set()

    async def acknowledged(self) -> bool:
        """True when every request has its answer, False when the connection ended before.
        Raises TimeoutError."""
        while not self._settled.is_set():
            before = len(self._pending) + len(self._outbox)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.answer_timeout_s):
                    await self._settled.wait()
            if not self._settled.is_set() and before <= len(self._pending) + len(self._outbox):
                raise TimeoutError("subscriptions were not acknowledged")
        return not self._ended.is_set()

    async def watch(self) -> None:
        """Ping, and return when the connection has ended or has gone silent."""
        timing = self._timing
        while not await self._ends_within(timing.ping_interval_s - timing.answer_timeout_s):
            self._heard = False
            overdue = set(self._pending)
            self._ping()
            if await self._ends_within(timing.answer_timeout_s):
                return
            if not self._heard:
                self.end_reason = f"nothing heard for {timing.answer_timeout_s:.0f} s after a ping"
                return
            if overdue & self._pending.keys():
                self.end_reason = "a subscription was not acknowledged"
                return

    def _ping(self) -> None:
        payload = self._dialect.ping()
        if payload is not None:
            self._send(payload)
        elif self._connection is not None:
            self._connection.ping()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True
