"""500 random schedules of outages: whatever the net does, the stored series is the exchange's,
each closed bar is told once and in order, silence is noticed, and the exchange is not stormed."""

from __future__ import annotations

import pytest
from outage_schedules import START_MS, Broken, Outage, Schedule, play

from core.market_feed import MarketFeed
from core.models.candles import Timeframe

BATCHES, BATCH = 25, 20


@pytest.fixture(autouse=True)
def refusals_are_expected(fail_on_unexpected_log):
    """A subscription that the schedule refuses is logged as a warning."""
    yield
    fail_on_unexpected_log[:] = [
        record
        for record in fail_on_unexpected_log
        if "refused the subscription" not in record.getMessage()
    ]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_whatever_the_net_does_the_series_is_the_exchanges(batch, tmp_path):
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        play(Schedule(seed), folder)


def test_the_schedules_hold_what_they_promise():
    schedules = [Schedule(seed) for seed in range(BATCHES * BATCH)]
    outages = [outage for schedule in schedules for outage in schedule.outages]
    lengths_s = [outage.end_s - outage.start_s for outage in outages]
    assert min(lengths_s) < 2
    assert max(lengths_s) > 5 * 3600
    assert {outage.kind for outage in outages} == {"reset", "hang", "refuse"}
    assert any(o.kind == "refuse" and o.end_s - o.start_s == 3600 for o in outages)
    assert any(schedule.silences for schedule in schedules)
    assert any(schedule.refusals for schedule in schedules)
    assert any(schedule.reordered for schedule in schedules)
    assert any(s.duplicate and s.corrected for s in schedules)
    assert any(schedule.forgotten for schedule in schedules)


def test_a_feed_that_loses_a_bar_is_found_out(tmp_path, monkeypatch):
    """The check itself: a store that forgets one bar is not the exchange's series."""
    from core.market_data.candle_store import CandleStore

    read = CandleStore.read

    def forgetful(self, key, **bounds):
        return [c for c in read(self, key, **bounds) if c.open_time_ms != START_MS + 120_000]

    monkeypatch.setattr(CandleStore, "read", forgetful)
    seed = next(s for s in range(100) if Schedule(s).timeframe is Timeframe.M1)
    with pytest.raises(Broken):
        play(Schedule(seed), tmp_path)


def test_an_hour_of_silence_nobody_mentions_is_found_out(tmp_path, monkeypatch):
    from exchanges.ws_multiplex_handler import WsMultiplexHandler

    monkeypatch.setattr(WsMultiplexHandler, "_sweep", lambda *_: None)
    seed = next(s for s in range(100) if _longest_s(Schedule(s).outages) > 600)
    with pytest.raises(Broken, match="nobody said so"):
        play(Schedule(seed), tmp_path)


@pytest.fixture
def lost_corrections():
    """Every bar is corrected within five seconds, and the connection breaks right after an end."""
    schedule = Schedule(1)
    schedule.timeframe = Timeframe.M1
    schedule.outages = [Outage(180.2, 8.0, "reset"), Outage(300.2, 8.0, "refuse")]
    schedule.ends_s = 500.0
    schedule.duplicate = schedule.corrected = 1.0
    schedule.forgotten = schedule.reordered = 0.0
    schedule.silences = schedule.refusals = {}
    return schedule


def test_a_correction_lost_in_an_outage_is_asked_for(lost_corrections, tmp_path):
    play(lost_corrections, tmp_path)


def test_a_correction_that_nobody_asks_for_is_found_out(lost_corrections, tmp_path, monkeypatch):
    monkeypatch.setattr(MarketFeed, "_doubt", lambda *_: None)
    with pytest.raises(Broken, match="volume"):
        play(lost_corrections, tmp_path)


def test_the_stream_itself_brings_the_bars(tmp_path):
    """Not REST, which would hide a stream that brings nothing."""
    seed = next(s for s in range(100) if not Schedule(s).forgotten)
    schedule = Schedule(seed)
    schedule.outages, schedule.silences, schedule.refusals = [], {}, {}
    run = play(schedule, tmp_path)
    assert run.exchange.fetches <= 2 * len(schedule.symbols)


def _longest_s(outages: list[Outage]) -> float:
    return max(outage.end_s - outage.start_s for outage in outages)
