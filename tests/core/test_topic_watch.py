"""What the trader is told of single topics."""

from __future__ import annotations

import asyncio

import pytest

from core.models.candles import Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.topic_watch import TopicWatch

BTC = Topic(Channel.CANDLES, "BTCUSDT", Timeframe.M15)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(told):
    return TopicWatch(told.append, lambda: True)


async def test_what_falls_silent_together_is_told_together(watch, told):
    for number in range(5):
        topic = Topic(Channel.TICKER, f"C{number}")
        watch.on_topic_state(topic, TopicState.STALE, "nothing has come for 14 s")
    await asyncio.sleep(0)
    assert told == [
        "C0 ticker, C1 ticker, C2 ticker, 2 more: nothing has come for 14 s; subscribed anew"
    ]


async def test_a_refusal_is_told_with_the_exchanges_words(watch, told):
    watch.on_topic_state(BTC, TopicState.REFUSED, "Invalid symbol")
    await asyncio.sleep(0)
    assert told == [
        "BTCUSDT 15m candles: the exchange refuses the subscription (Invalid symbol); "
        "asked again later"
    ]


async def test_silence_is_not_told_while_the_whole_stream_is_down(told):
    watch = TopicWatch(told.append, lambda: False)
    watch.on_topic_state(BTC, TopicState.STALE, "nothing has come for 14 s")
    await asyncio.sleep(0)
    assert told == []
    assert watch.trouble("BTCUSDT") == (
        "BTCUSDT 15m candles: nothing has come for 14 s; subscribed anew"
    )


async def test_trouble_ends_with_the_first_message(watch, told):
    watch.on_topic_state(BTC, TopicState.STALE, "nothing has come for 14 s")
    watch.on_topic_state(BTC, TopicState.LIVE, "again after 20 s")
    await asyncio.sleep(0)
    assert told == []
    assert watch.trouble("BTCUSDT") == ""
