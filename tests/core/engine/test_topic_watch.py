"""What the trader is told of single topics."""

from __future__ import annotations

import asyncio

import pytest

from core.models.candles import Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.topic_watch import TOLD_AFTER_S, TopicWatch

BTC = Topic(Channel.CANDLES, "BTCUSDT", Timeframe.M15)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(told):
    return TopicWatch(told.append, lambda: True)


async def test_a_silence_that_goes_on_is_told_for_all_of_them_together(watch, told):
    for number in range(5):
        topic = Topic(Channel.TICKER, f"C{number}")
        watch.on_topic_state(topic, TopicState.STALE, "nothing has come for 14 s")
        await asyncio.sleep(1)
    await asyncio.sleep(TOLD_AFTER_S - 6)
    assert told == []
    await asyncio.sleep(2)
    [sentence] = told
    assert sentence.startswith("C0 ticker, C1 ticker, C2 ticker, 2 more: nothing has come")


async def test_a_silence_that_ends_is_not_told(watch, told):
    watch.on_topic_state(BTC, TopicState.STALE, "nothing has come for 14 s")
    await asyncio.sleep(20)
    watch.on_topic_state(BTC, TopicState.LIVE, "again after 34 s")
    await asyncio.sleep(TOLD_AFTER_S)
    assert told == []


async def test_a_refusal_is_told_at_once_with_the_exchanges_words(watch, told):
    watch.on_topic_state(BTC, TopicState.REFUSED, "Invalid symbol")
    await asyncio.sleep(0.1)
    assert told == [
        "BTCUSDT 15m candles: the exchange refuses the subscription (Invalid symbol); "
        "it is asked again now and then."
    ]


async def test_silence_is_not_told_while_the_whole_stream_is_down(told):
    watch = TopicWatch(told.append, lambda: False)
    watch.on_topic_state(BTC, TopicState.STALE, "nothing has come for 14 s")
    await asyncio.sleep(TOLD_AFTER_S + 1)
    assert told == []
