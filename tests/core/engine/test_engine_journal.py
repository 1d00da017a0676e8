"""The journal over a whole engine: every trip with its signal, risk and excursions, in pages, and
notes that outlive a crash."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from app.command_handler import CommandHandler
from core.commands import GetJournal, Request, WriteTradeNote
from core.journal.entries import TradeKey, TradeNote
from core.refusal import Refused
from core.snapshot_builder import SnapshotBuilder


async def traded(world, trips=3):
    await world.start()
    await world.running()
    await world.until(lambda: len(world.desk.trades.round_trips) >= trips, within_h=48)
    return world.engine.journal


async def test_every_round_trip_is_told_with_its_signal_its_risk_and_its_excursions(world):
    journal = await traded(world)
    page = await journal.page("demo", None, 500)
    trips = world.desk.trades.round_trips
    assert [entry.trip for entry in page.entries] == trips
    assert (page.total, page.first) == (len(trips), 0)
    for entry in page.entries:
        request = world.desk.oms.journal.request(entry.trip.entry_order_id)
        assert entry.reason == request.reason != ""
        assert entry.first_stop == request.stop_loss
        assert entry.risk == abs(entry.trip.entry_price - request.stop_loss) * entry.trip.quantity
        assert entry.r_multiple == entry.trip.net_result / entry.risk
        assert entry.exit_purpose in ("exit", "stop_loss", "take_profit")
        assert entry.gross_result - entry.trip.fees + entry.trip.funding == entry.trip.net_result
        assert entry.currency == world.desk.capital.currency


async def test_excursions_come_with_the_candles_and_hold_the_result_between_them(world):
    journal = await traded(world)
    before = {e.key: e for e in (await journal.page("demo", None, 500)).entries}
    await world.hours(1)  # the last bars close
    measured = 0
    for entry in (await journal.page("demo", None, 500)).entries:
        if entry.key not in before:
            continue
        assert entry.bars == "15m"
        assert "adverse" not in entry.unknown
        moved = float(entry.trip.exit_price - entry.trip.entry_price) * entry.trip.side.sign
        gross = moved * float(entry.trip.quantity)
        assert -entry.adverse - 1e-6 <= gross <= entry.favourable + 1e-6
        measured += 1
    assert measured == len(before)


async def test_pages_go_from_the_newest_to_the_oldest_and_meet(world):
    journal = await traded(world, trips=5)
    trips = list(world.desk.trades.round_trips)
    newest = await journal.page("demo", None, 2)
    assert (newest.first, [e.trip for e in newest.entries]) == (newest.total - 2, trips[-2:])
    rest = await journal.page("demo", newest.first, 500)
    assert [e.trip for e in rest.entries] == trips[: newest.first]
    assert (await journal.page("demo", 0, 10)).entries == []


async def test_a_note_survives_the_death_of_the_engine(world):
    journal = await traded(world, trips=1)
    [entry] = (await journal.page("demo", 1, 1)).entries
    assert entry.note == TradeNote()
    told = journal.write_note(entry.key, " too early \n", ["FOMO", " fomo", "", "news  day"])
    assert told == "The note is kept."
    kept = TradeNote("too early", ("FOMO", "news day"))
    assert (await journal.page("demo", 1, 1)).entries[0].note == kept
    journal.close()
    await world.crash()
    await world.start()
    [again] = (await world.engine.journal.page("demo", 1, 1)).entries
    assert (again.key, again.note) == (entry.key, kept)


async def test_a_note_does_not_pass_to_a_trade_of_an_account_that_began_anew(world):
    """A paper exchange that begins anew gives its numbers again."""
    journal = await traded(world, trips=1)
    [entry] = (await journal.page("demo", 1, 1)).entries
    journal.write_note(entry.key, "of the old account", [])
    trips = world.desk.trades.round_trips
    trips[0] = msgspec.structs.replace(trips[0], opened_ms=trips[0].opened_ms + 60_000)
    [again] = (await journal.page("demo", 1, 1)).entries
    assert again.trip.trade_id == entry.trip.trade_id
    assert again.note == TradeNote()


async def test_what_cannot_be_noted_is_refused_with_its_reason(world):
    journal = await traded(world, trips=1)
    [entry] = (await journal.page("demo", 1, 1)).entries
    with pytest.raises(Refused, match="no such trade of BTCUSDT"):
        journal.write_note(TradeKey("demo", "BTCUSDT", "never", 1), "x", [])
    with pytest.raises(Refused, match="no account 'other'"):
        journal.write_note(TradeKey("other", "BTCUSDT", "never", 1), "x", [])
    with pytest.raises(Refused, match="at most 4000 characters, this one 4001"):
        journal.write_note(entry.key, "x" * 4001, [])
    with pytest.raises(Refused, match="at most 20 tags, these are 21"):
        journal.write_note(entry.key, "", [str(i) for i in range(21)])
    with pytest.raises(Refused, match="at most 40 characters"):
        journal.write_note(entry.key, "", ["x" * 41])
    journal._opened._database.execute("DROP TABLE trade_notes")
    with pytest.raises(Refused, match="could not be kept on disk"):
        journal.write_note(entry.key, "lost", [])
    assert (await journal.page("demo", 1, 1)).entries[0].note == TradeNote()


async def test_the_link_answers_with_a_page_and_keeps_a_note(world):
    await traded(world, trips=1)
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    answer, _ = await handler.handle(Request(1, GetJournal("demo", 1, 1)))
    [entry] = answer.journal.entries
    wish = WriteTradeNote(entry.key, "good", ("a",))
    kept, _ = await handler.handle(Request(2, wish))
    assert (kept.ok, kept.text) == (True, "The note is kept.")
    answer, _ = await handler.handle(Request(3, GetJournal("demo", 1, 1)))
    assert answer.journal.entries[0].note == TradeNote("good", ("a",))
    refused, _ = await handler.handle(Request(4, GetJournal("nobody")))
    assert (refused.ok, refused.text) == (False, "There is no account 'nobody'.")


async def test_a_position_that_was_taken_over_says_why_its_risk_is_not_known(world):
    journal = await traded(world, trips=1)
    trip = world.desk.trades.round_trips[0]
    world.desk.trades.round_trips.append(
        msgspec.structs.replace(trip, entry_order_id="", entry_price=None, trade_id="taken-over-1")
    )
    [entry] = (await journal.page("demo", None, 1)).entries
    assert (entry.risk, entry.r_multiple, entry.adverse) == (None, None, None)
    assert entry.unknown["risk"] == "No order of ours opened it."
    assert entry.unknown["adverse"] == "Its average prices are not known."
    assert isinstance(entry.trip.net_result, Decimal)


async def test_screens_that_ask_at_once_are_told_the_same(world):
    journal = await traded(world, trips=3)
    one, two, part = await asyncio.gather(
        journal.page("demo", None, 500), journal.page("demo", None, 500), journal.page("demo", 2, 1)
    )
    assert one == two
    assert part.entries == one.entries[1:2]
