"""One socket, a thousand symbols: the public stream of any exchange (spec S7).

The dialect says how an exchange speaks; this handler does the rest, the same for all of them:
topics spread over as few connections as the exchange's limits allow, messages routed by topic,
silence of a single topic noticed and mended while its neighbours go on, reconnects for ever
within the exchange's limits, latency measured from the socket to the listener.

Parts: `stream_shard.py` one connection's life, `stream_channels.py` what is kept of each topic,
`stream_queue.py` delivery, `stream_connection.py` the net.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.exchange_port import (
    DepthListener,
    ExchangeListener,
    StreamKind,
    StreamState,
    TopicListener,
)
from core.metrics import percentiles
from core.models.streams import Channel, StreamStatistics, Topic, TopicLatency, TopicState
from exchanges.stream_backoff import ConnectBudget, FullJitterBackoff
from exchanges.stream_channels import (
    CHANNELS,
    SUBSCRIBED_AFTER_MS,
    BuiltCandles,
    TopicChannel,
    TradeChannel,
)
from exchanges.stream_connection import Connect, StreamTiming, connect_websocket
from exchanges.stream_dialect import StreamDialect
from exchanges.stream_queue import DeliveryQueue
from exchanges.stream_shard import StreamShard

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 1.0
SILENT_AGAIN_FIRST_S, SILENT_AGAIN_MOST_S = 15.0, 300.0
BROKEN_AGAIN_S = 2.0
LAST_TRADES_S = 2.0  # how late the last trades of a bar may come
RECONNECT_CAP_S = 20.0  # at worst so long after the net is back


class WsMultiplexHandler:
    """`start` and `stop` once; subscribe and unsubscribe at any time, connected or not."""

    def __init__(
        self,
        dialect: StreamDialect,
        *,
        clock: Clock,
        rng: random.Random,
        timing: StreamTiming = StreamTiming(),  # noqa: B008 (immutable)
        connect: Connect = connect_websocket,
    ) -> None:
        self._dialect = dialect
        self._clock = clock
        self._rng = rng
        self._timing = timing
        self._connect = connect
        self._queue = DeliveryQueue(dialect.exchange, clock)
        self._budget = ConnectBudget(
            dialect.limits.connects_in_5_min, dialect.limits.connect_pause_s
        )
        self._shards: list[StreamShard] = []
        self._homes: dict[Topic, tuple[StreamShard, TopicChannel]] = {}
        self._built: dict[Topic, TradeChannel] = {}  # candles, and the trades they are made of
        self._listener: ExchangeListener | None = None
        self._told: StreamState | None = None
        self._topic_listener: TopicListener | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def start(self, listener: ExchangeListener) -> None:
        if self._listener is not None:
            return
        self._listener = self._queue.listener = listener
        if isinstance(listener, DepthListener):
            self._queue.depth_listener = listener
        if isinstance(listener, TopicListener):
            self._topic_listener = listener
        if not self._shards:
            self._open_shard(self._dialect.url(Channel.CANDLES))
        for shard in self._shards:
            shard.start()
        self._sweeping = asyncio.create_task(
            self._sweep_regularly(), name=f"{self._dialect.exchange} stream watch"
        )

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        for shard in self._shards:
            await shard.stop()
        self._queue.close()

    # ---- topics

    def subscribe(self, topics: Iterable[Topic]) -> None:
        """Raises RuntimeError when that would take more connections than the exchange allows."""
        for topic in topics:
            if topic in self._built:
                continue
            try:
                name = self._dialect.wire_name(topic)
            except ValueError:
                self._build_from_trades(topic)
                continue
            channel = self._open(topic, name)
            if isinstance(channel, TradeChannel):
                channel.is_asked_for = True

    def unsubscribe(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            channel = self._built.pop(topic, None)
            if channel is not None:
                del channel.built[topic]
                self._close_unused(channel)
            elif topic in self._homes:
                channel_of_topic = self._homes[topic][1]
                if isinstance(channel_of_topic, TradeChannel):
                    channel_of_topic.is_asked_for = False
                    self._close_unused(channel_of_topic)
                else:
                    self._close(channel_of_topic)

    def _build_from_trades(self, topic: Topic) -> None:
        """Candles that the exchange does not stream."""
        trades = Topic(Channel.TRADES, topic.symbol)
        channel = self._open(trades, self._dialect.wire_name(trades))
        assert isinstance(channel, TradeChannel)
        candles = BuiltCandles(topic, channel, self._queue)
        candles.begin(self._clock.time_ms() + SUBSCRIBED_AFTER_MS)
        channel.built[topic] = candles
        self._built[topic] = channel

    def _open(self, topic: Topic, name: str) -> TopicChannel:
        if topic in self._homes:
            return self._homes[topic][1]
        shard = self._shard_for(topic)
        channel = CHANNELS[topic.channel](
            topic, name, self._dialect.exchange, self._queue, self._clock.monotonic_s()
        )
        self._homes[topic] = (shard, channel)
        shard.add(channel)
        return channel

    def _close_unused(self, channel: TradeChannel) -> None:
        if not channel.built and not channel.is_asked_for:
            self._close(channel)

    def _close(self, channel: TopicChannel) -> None:
        shard, _ = self._homes.pop(channel.topic)
        shard.remove(channel)
        self._queue.forget(channel)

    def _shard_for(self, topic: Topic) -> StreamShard:
        url = self._dialect.url(topic.channel)
        limits = self._dialect.limits
        for shard in self._shards:
            if shard.url == url and len(shard.channels) < limits.topics_per_connection:
                return shard
        if len(self._shards) >= limits.connections:
            raise RuntimeError(
                f"{self._dialect.exchange} allows {limits.connections} connections of "
                f"{limits.topics_per_connection} topics; watch fewer symbols."
            )
        shard = self._open_shard(url)
        if self._listener is not None:
            shard.start()
        return shard

    def _open_shard(self, url: str) -> StreamShard:
        shard = StreamShard(
            url,
            owner=self,
            dialect=self._dialect,
            queue=self._queue,
            connect=self._connect,
            clock=self._clock,
            backoff=FullJitterBackoff(self._rng, cap_s=RECONNECT_CAP_S),
            budget=self._budget,
            timing=self._timing,
        )
        self._shards.append(shard)
        return shard

    # ---- silence

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            for shard in list(self._shards):
                self._sweep(shard, self._clock.monotonic_s())
            self._close_built()

    def _close_built(self) -> None:
        """A bar may end without a later trade to end it."""
        if self._built:
            grace_ms = int(LAST_TRADES_S * 1000 * self._clock.rate)
            for topic, channel in self._built.items():
                channel.built[topic].close_until(self._clock.time_ms() - grace_ms)
            self._queue.deliver()

    def _sweep(self, shard: StreamShard, now_s: float) -> None:
        """Note which topics were heard, and ask for those anew that should have been."""
        silence_s = self._dialect.limits.silence_s
        silent = []
        for channel in shard.channels.values():
            if channel.is_heard and not channel.is_broken:
                channel.is_heard = False
                if channel.state is not TopicState.LIVE:
                    silent_s = now_s - channel.silent_since_s
                    self.on_topic_state(channel, TopicState.LIVE, f"again after {silent_s:.0f} s")
                channel.silent_since_s = now_s
                channel.patience_s = 0.0
            elif channel.is_broken or self._is_silent(channel, silence_s, now_s):
                if channel.state is TopicState.LIVE and not channel.is_broken:
                    silent_s = now_s - channel.silent_since_s
                    text = f"nothing has come for {silent_s:.0f} s"
                    self.on_topic_state(channel, TopicState.STALE, text)
                if shard.is_ready and now_s >= channel.ask_again_s:
                    silent.append(channel)
                    self._set_patience(channel, now_s)
        if silent:
            shard.ask_again(silent)

    def _is_silent(
        self, channel: TopicChannel, silence_s: Mapping[Channel, float], now_s: float
    ) -> bool:
        if channel.state is TopicState.REFUSED:
            return True
        limit_s = silence_s.get(channel.topic.channel)
        # two sweeps earlier: the last message may have come just after one, and is told at another
        return limit_s is not None and (
            now_s - channel.silent_since_s > limit_s - 2 * SWEEP_INTERVAL_S
        )

    def _set_patience(self, channel: TopicChannel, now_s: float) -> None:
        if channel.is_broken:
            channel.ask_again_s = now_s + BROKEN_AGAIN_S
            return
        channel.patience_s = min(
            max(2 * channel.patience_s, SILENT_AGAIN_FIRST_S), SILENT_AGAIN_MOST_S
        )
        channel.ask_again_s = now_s + channel.patience_s

    # ---- what the shards tell

    def on_shard_state(self, shard: StreamShard, state: StreamState, detail: str) -> None:
        """One connection's state is the stream's, but for those not needed yet: CONNECTED is told
        when all of them are."""
        if len(self._shards) > 1:
            detail = f"connection {self._shards.index(shard) + 1} of {len(self._shards)}: {detail}"
            if state is StreamState.CONNECTED:
                if any(other.state is not StreamState.CONNECTED for other in self._shards):
                    return
            elif not shard.was_connected and self._shards[0].was_connected:
                return  # its topics are told stale if it takes long
        self._tell(state, detail)

    def _tell(self, state: StreamState, detail: str) -> None:
        """One more connection beside those that are up is no reconnect."""
        assert self._listener is not None
        if state is self._told is StreamState.CONNECTED:
            return
        self._told = state
        try:
            self._listener.on_stream_state(StreamKind.PUBLIC, state, detail)
        except Exception:  # the listener's fault is its own; the stream goes on
            log.exception("a listener failed on stream state %s", state)

    def on_topic_state(self, channel: TopicChannel, state: TopicState, text: str) -> None:
        channel.state = state
        if self._topic_listener is None:
            return
        try:
            self._topic_listener.on_topic_state(channel.topic, state, text)
        except Exception:  # the listener's fault is its own; the stream goes on
            log.exception("a listener failed on topic state %s", state)

    # ---- figures

    def statistics(self) -> StreamStatistics:
        channels = [channel for _, channel in self._homes.values()]
        return StreamStatistics(
            connections=sum(shard.is_ready for shard in self._shards),
            connects=sum(shard.connects for shard in self._shards),
            topics=len(channels),
            messages=sum(channel.messages for channel in channels),
            delivered=self._queue.delivered,
            ticks_dropped=self._queue.ticks_dropped,
            unreadable=self._queue.unreadable,
            unrouted=sum(shard.unrouted for shard in self._shards),
            stale=sum(channel.state is TopicState.STALE for channel in channels),
            refused=sum(channel.state is TopicState.REFUSED for channel in channels),
        )

    def latencies(self, symbols: frozenset[str]) -> list[TopicLatency]:
        """Of every topic of these symbols, from the socket to the listener."""
        now_s = self._clock.monotonic_s()
        return [
            _latency(channel, now_s)
            for topic, (_, channel) in self._homes.items()
            if topic.symbol in symbols
        ]


def _latency(channel: TopicChannel, now_s: float) -> TopicLatency:
    p50_ms, p99_ms = percentiles([seconds * 1000 for seconds in channel.latencies_s], 0.5, 0.99)
    return TopicLatency(
        channel.topic,
        channel.state,
        channel.messages,
        p50_ms,
        p99_ms,
        now_s - channel.received_s if channel.messages else None,
    )
