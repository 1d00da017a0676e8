"""Order of delivery, and one subscriber's fault kept from its neighbours."""

from __future__ import annotations

import logging

from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error, Heartbeat


def test_every_subscriber_sees_the_same_order_even_when_a_handler_publishes() -> None:
    bus = EventBus(ManualClock())
    seen: dict[str, list[str]] = {"first": [], "second": []}

    def answer_once(event: Heartbeat) -> None:
        seen["first"].append(event.part)
        if event.part == "a":
            bus.publish(Heartbeat("b", 2))

    bus.subscribe(Heartbeat, answer_once, part="first")
    bus.subscribe(Heartbeat, lambda event: seen["second"].append(event.part), part="second")
    bus.publish(Heartbeat("a", 1))
    assert seen == {"first": ["a", "b"], "second": ["a", "b"]}


def test_a_failing_subscriber_becomes_an_error_event_and_its_neighbours_go_on(
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    bus = EventBus(ManualClock())
    heard: list[str] = []
    errors: list[Error] = []

    def fail(event: Heartbeat) -> None:
        raise ValueError("broken part")

    bus.subscribe(Heartbeat, fail, part="strategy x")
    bus.subscribe(Heartbeat, lambda event: heard.append(event.part), part="screen")
    bus.subscribe(Error, errors.append, part="log")
    bus.publish(Heartbeat("feed", 1))
    assert heard == ["feed"]
    assert [(e.part, e.text) for e in errors] == [("strategy x", "ValueError: broken part")]
    fail_on_unexpected_log.clear()


def test_an_error_handler_that_fails_does_not_loop(
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    bus = EventBus(ManualClock())
    calls: list[Error] = []

    def fail(event: Error) -> None:
        calls.append(event)
        raise ValueError("worse")

    bus.subscribe(Error, fail, part="log")
    bus.publish(Error("feed", "lost", 1))
    assert len(calls) == 1
    fail_on_unexpected_log.clear()


def test_unsubscribed_handlers_hear_nothing() -> None:
    bus = EventBus(ManualClock())
    heard: list[Heartbeat] = []
    bus.subscribe(Heartbeat, heard.append, part="x")
    bus.unsubscribe(Heartbeat, heard.append)
    bus.publish(Heartbeat("a", 1))
    assert heard == []
