"""Messages that wait to go out: kept over a restart, bounded, each said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.alerts.outbox import MOST_WAITING, SAME_WITHIN_MS, TOO_OLD_MS, Outbox
from core.clock import ManualClock
from core.storage.database import open_database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(rate=60)


@pytest.fixture
def outbox(tmp_path: Path, clock: ManualClock):
    database = open_database(tmp_path / "alerts.sqlite")
    yield Outbox(database, clock)
    database.close()


def texts(outbox: Outbox) -> list[str]:
    return [message.text for message in outbox.oldest(1000)]


def test_what_was_not_sent_is_there_after_a_restart(
    outbox: Outbox, tmp_path: Path, clock: ManualClock
) -> None:
    outbox.put("danger", "risk", "one")
    outbox.put("danger", "risk", "two")
    outbox.sent(outbox.oldest(1))
    database = open_database(tmp_path / "alerts.sqlite")
    again = Outbox(database, clock)
    assert texts(again) == ["two"]
    assert again.waiting == 1
    database.close()


def test_the_same_words_are_one_message_for_ten_minutes(outbox: Outbox, clock: ManualClock) -> None:
    assert outbox.put("danger", "risk", "one")
    outbox.sent(outbox.oldest(1))
    assert not outbox.put("danger", "risk", "one")
    assert outbox.put("danger", "orders", "one")
    clock.advance_ms(SAME_WITHIN_MS * 60)
    assert outbox.put("danger", "risk", "one")


def test_an_outage_keeps_the_newest(outbox: Outbox) -> None:
    for number in range(MOST_WAITING + 5):
        outbox.put("danger", "risk", str(number))
    assert outbox.waiting == MOST_WAITING
    assert texts(outbox)[0] == "5"


def test_what_is_a_day_old_is_not_sent_any_more(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put("danger", "risk", "old")
    clock.advance_ms(TOO_OLD_MS * 60)
    outbox.put("danger", "risk", "new")
    assert texts(outbox) == ["new"]


def test_only_what_was_chosen_goes_out(outbox: Outbox, tmp_path: Path, clock: ManualClock) -> None:
    """ux 67: notification types selectable."""
    assert outbox.kinds == ["price_alert", "health", "danger"]
    assert not outbox.put("trade", "Trade closed", "one")
    outbox.choose_kinds(["trade", "nonsense"])
    assert outbox.put("trade", "Trade closed", "one")
    assert not outbox.put("danger", "risk", "one")
    database = open_database(tmp_path / "alerts.sqlite")
    assert Outbox(database, clock).kinds == ["trade"]
    database.close()
