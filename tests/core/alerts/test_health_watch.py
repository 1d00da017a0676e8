"""The conditions of spec M9: each told once when it begins, and anew only after it has ended."""

from __future__ import annotations

import pytest

from core.alerts.health_watch import (
    FEWEST_ORDERS,
    LOADED_FOR_S,
    OVER_AFTER_S,
    HealthFacts,
    HealthWatch,
    MachineLoad,
)
from core.clock import ManualClock

WELL = HealthFacts()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def watch(clock: ManualClock) -> HealthWatch:
    return HealthWatch(clock)


def test_a_silence_of_thirty_seconds_is_told_once(watch: HealthWatch, clock: ManualClock) -> None:
    assert watch.look(HealthFacts(silent_s={"bybit": 29.9})) == []
    silent = HealthFacts(silent_s={"bybit": 30.0})
    assert watch.look(silent) == ["bybit: nothing has come for 30 s."]
    clock.advance_ms(5_000)
    assert watch.look(silent) == []


def test_a_condition_that_flickers_is_one_message(watch: HealthWatch, clock: ManualClock) -> None:
    silent = HealthFacts(silent_s={"bybit": 30.0})
    watch.look(silent)
    for _ in range(20):
        clock.advance_ms(10_000)
        assert watch.look(WELL) + watch.look(silent) == []
    clock.advance_ms(int(OVER_AFTER_S * 1000))
    watch.look(WELL)
    assert len(watch.look(silent)) == 1


def test_more_than_three_reconnects_within_ten_minutes(
    watch: HealthWatch, clock: ManualClock
) -> None:
    told = []
    for count in range(7):
        told.append(watch.look(HealthFacts(reconnects={"bybit": count})))
        clock.advance_ms(20_000)
    assert told[:4] == [[]] * 4
    assert told[4] == ["bybit: connected anew 4 times within 10 minutes."]


def test_reconnects_far_apart_are_no_condition(watch: HealthWatch, clock: ManualClock) -> None:
    for count in range(20):
        assert watch.look(HealthFacts(reconnects={"bybit": count})) == []
        clock.advance_ms(200_000)


def test_five_of_a_hundred_orders_may_fail_and_six_not(watch: HealthWatch) -> None:
    for number in range(100):
        watch.on_order(failed=number < 5)
    assert watch.look(WELL) == []
    watch.on_order(failed=True)
    assert watch.look(WELL) == ["6 of 101 orders failed within an hour."]


def test_a_few_orders_are_no_rate_and_old_ones_do_not_count(
    watch: HealthWatch, clock: ManualClock
) -> None:
    for _ in range(FEWEST_ORDERS - 1):
        watch.on_order(failed=True)
    assert watch.look(WELL) == []
    clock.advance_ms(3_600_001)
    for _ in range(FEWEST_ORDERS):
        watch.on_order(failed=False)
    assert watch.look(WELL) == []


def test_a_loss_of_today_above_three_percent(watch: HealthWatch) -> None:
    assert watch.look(HealthFacts(daily_loss={"main": 0.03})) == []
    assert watch.look(HealthFacts(daily_loss={"main": 0.031})) == ["main: today's loss is 3.1%."]


def test_a_machine_at_work_is_told_of_when_it_lasts(watch: HealthWatch, clock: ManualClock) -> None:
    busy = HealthFacts(machine=MachineLoad(cpu=0.95, memory=0.5, disk=0.5))
    assert watch.look(busy) == []
    watch.look(HealthFacts(machine=MachineLoad(cpu=0.2, memory=0.5, disk=0.5)))
    watch.look(busy)
    clock.advance_ms(int(LOADED_FOR_S * 1000))
    assert watch.look(busy) == ["The processor is in use to 95%."]


def test_a_full_disk_is_told_of_at_once(watch: HealthWatch) -> None:
    full = HealthFacts(machine=MachineLoad(cpu=0.1, memory=0.8, disk=0.91))
    assert watch.look(full) == ["The disk is in use to 91%."]
