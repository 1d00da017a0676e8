"""A budgeted part of `python run.py chaos`: schedules that pass, runs that repeat, bugs found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.chaos.actions import Action, ActionKind
from app.chaos.campaign import hunt, play_seed, shrink
from app.chaos.command_line import Summary, describe
from app.chaos.planted_bugs import BUGS, planted
from app.chaos.play import play
from app.chaos.schedule import SHAPES, make_schedule, shortened
from app.cli import main
from exchanges.simulated.faults import Fault, FaultKind

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 20


@pytest.mark.parametrize("first_seed", range(0, 120, BLOCK))
def test_schedules_pass(first_seed):
    outcomes = [play_seed(seed) for seed in range(first_seed, first_seed + BLOCK)]
    failed = {o.seed: [(f.kind, f.text) for f in o.failures] for o in outcomes if o.failures}
    assert failed == {}
    assert all(outcome.ledger_error == 0 for outcome in outcomes)
    assert all(outcome.healed_s is not None for outcome in outcomes)


@pytest.mark.parametrize(
    "seed",
    [
        884,  # a clock set past midnight ended the day whose loss had locked trading
        1197,  # a market that leaps: the judge wanted what nobody could know
        6430,  # the trader's word on a finding met a full disk: an unforeseen fault
        8710,  # a stranger's resting order was taken over while flat, and filled later
        11824,  # the same while it was being taken over
        12742,  # an answer that was on its way brought a stop back that had just been taken away
        7036,  # a suspended market refused every exit, and its stop had made way for good
        4913,  # a bot's exit was refused for the size that its take profit held, at every candle
        3515,  # "stop and close" while nothing could be seen forgot what stood there
        4093,  # an exit made by a clock that was set back held the next one up
        4215,  # "stop and close" while nothing could be seen forgot what a limit order had bought
        6115,  # the same in maintenance, long after the position was opened
        17238,  # a blank answer to one question passed for "it never arrived"
        16476,  # the judge took a profit in an outage, which nobody saw, for the equity's peak
        11787,  # the judge wanted an exit from what a stranger had opened half a second before
        18354,  # bots that were on their way up when all was healed went on trading for ever
        22041,  # a stop was filled far off while the orders stream was lost: nobody knew the loss
        32675,  # "stop and close" waited half a minute for the next try of an earlier close
        39200,  # the next run entered again while its last entry was unanswered
        39192,  # a stop was moved and lost at once: the guard put the old one back for good
        39391,  # as 32675
        39107,  # the trader's own limit order turned a position over: that is his to do
        56607,  # a fill untold: its capital is locked and reserved at once, on the safe side
        56677,  # "stop and close" of what an exchange hid was forgotten
        63163,  # a loss whose fill could not be written: nobody had booked it
        63236,  # an empty answer passed for flat while the entry's fill and end were untold
        87236,  # an engine started in a ban has read no books: it cannot know what was lost
        2183,  # the leverage was signed with a wrong time, and its bot never started
    ],
)
def test_what_was_found_once_passes(seed):
    assert not play_seed(seed).failures


def test_schedules_with_a_bot_that_scans_pass():
    outcomes = [play_seed(seed, scans=True) for seed in range(BLOCK)]
    failed = {o.seed: [(f.kind, f.text) for f in o.failures] for o in outcomes if o.failures}
    assert failed == {}
    assert sum(outcome.seen["trades"] for outcome in outcomes) > 5 * BLOCK
    again = [play_seed(seed, scans=True).trace for seed in range(5)]
    assert [outcome.trace for outcome in outcomes[:5]] == again


def test_what_a_bot_that_scans_has_done_can_be_seen_again(capsys):
    found = hunt("scanner_counts_nothing", first_seed=0, seeds=20)
    assert found is not None
    words = ["--seed", str(found.seed), "--bots", "scan", "--bug", "scanner_counts_nothing"]
    assert main(["chaos", *words, "--jobs", "1"]) == 1
    [again] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("again")]
    assert main(again.split("run.py ")[1].split()) == 1
    assert "position_limit" in capsys.readouterr().out


def test_the_same_seed_is_the_same_run():
    first = [play_seed(seed).trace for seed in range(10)]
    assert [play_seed(seed).trace for seed in range(10)] == first
    assert len(set(first)) == 10


@pytest.mark.parametrize(("hash_seed", "jobs"), [("1", "1"), ("2", "2")])
def test_a_run_is_the_same_in_another_process(hash_seed, jobs):
    """Also where sets of names have another order."""
    here = 0
    for seed in range(20, 26):
        here ^= int(play_seed(seed).trace, 16)
    words = [sys.executable, "-m", "app", "chaos", "--seed", "20", "--schedules", "6"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*words, "--jobs", jobs], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-2])["trace"] == f"{here:032x}"


@pytest.mark.parametrize(
    ("bug", "kinds"),
    [
        ("resend_same_id", {"duplicate"}),
        ("cancelled_when_asked", {"false_end"}),
        ("fees_not_booked", {"ledger"}),
        ("entry_without_stop", {"no_stop"}),
        ("guard_asleep", {"unprotected"}),
        ("drawdown_ignored", {"not_liquidated"}),
        ("locked_day_resumed", {"resumed"}),
        ("close_forgets_entries", {"not_closed"}),
        ("scanner_counts_nothing", {"position_limit"}),
        ("scanner_counts_positions_only", {"position_limit"}),
    ],
)
def test_a_planted_bug_is_found(bug, kinds):
    found = hunt(bug, first_seed=0, seeds=150)
    assert found is not None
    assert kinds & {failure.kind for failure in found.failures}


def test_a_silence_that_nobody_notices_is_found():
    """Rarer than the others: of a stream that is connected and silent, and of nothing else."""
    seed = 336
    assert play_seed(seed).failures == []
    with planted("silence_not_noticed"):
        found = play_seed(seed)
    assert [failure.kind for failure in found.failures] == ["unheard"]


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_goes_as_it_came(bug):
    """It still fits the program, and leaves no trace in it."""
    with planted(bug):
        pass
    assert BUGS[bug].sentence[0].islower()


def test_every_kind_of_fault_has_a_shape_and_happens():
    assert set(SHAPES) == set(FaultKind)
    assert len(FaultKind) >= 25
    planned = {fault.kind for seed in range(1500) for fault in make_schedule(seed).faults}
    assert planned == set(FaultKind)


def test_a_fault_that_never_happens_is_told():
    summary = Summary()
    summary.add(play_seed(0))
    assert FaultKind.DELISTING.value in summary.never_happened()
    assert not summary.never_happened() & play_seed(0).struck.keys()


def test_the_shortest_schedule_keeps_what_the_failure_needs():
    schedule = make_schedule(7)
    needed = schedule.faults[0].kind

    def fails(shorter, kind):
        return kind == "duplicate" and needed in {fault.kind for fault in shorter.faults}

    shortest = shortened(schedule, set(shrink(schedule, "duplicate", still_fails=fails)))
    assert [fault.kind for fault in shortest.faults] == [needed]
    assert shortest.actions == ()
    assert needed.value in describe(shortest)


def test_a_schedule_without_faults_heals_at_once():
    calm = msgspec.structs.replace(make_schedule(3), faults=(), actions=())
    outcome = play(calm)
    assert outcome.failures == []
    assert outcome.struck == {}
    assert outcome.healed_s <= 2


def test_what_is_planned_happens_and_is_counted():
    crash = Fault(kind=FaultKind.CRASH, start_s=10.0, end_s=10.5, value=1.0)
    kill = Action(at_s=15.0, kind=ActionKind.KILL, symbol="BTCUSDT")
    schedule = msgspec.structs.replace(make_schedule(3), faults=(crash,), actions=(kill,))
    outcome = play(schedule)
    assert outcome.struck == {"crash": 1}
    assert outcome.failures == []


def test_the_command_ends_with_one_line_of_figures(capsys):
    assert main(["chaos", "--seed", "3", "--schedules", "2", "--jobs", "1"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    wanted = "schedules duplicates orphans ledger_error cap_breaches unresolved unprotected_s_max"
    assert figures.keys() == {*wanted.split(), "schedules_per_s"}
    assert (figures["schedules"], figures["duplicates"], figures["ledger_error"]) == (2, 0, "0.00")


def test_a_long_run_tells_its_figures_so_far(capsys, monkeypatch):
    monkeypatch.setattr("app.chaos.command_line._FIGURES_EVERY", 1)
    words = ["--seed", "3", "--schedules", "2", "--jobs", "1", "--bug", "fees_not_booked"]
    assert main(["chaos", *words]) == 1
    out = capsys.readouterr().out.splitlines()
    [so_far] = [line for line in out if "so_far" in line]
    assert json.loads(so_far)["so_far"]["schedules"] == 1
    assert json.loads(so_far)["failed"] == 1
    assert json.loads(out[-1])["schedules"] == 2  # a failure ends nothing


def test_a_failure_is_told_with_the_shortest_schedule(capsys):
    found = hunt("fees_not_booked", first_seed=0, seeds=30)
    assert found is not None
    words = ["--seed", str(found.seed), "--jobs", "1", "--bug", "fees_not_booked"]
    assert main(["chaos", *words]) == 1
    out = capsys.readouterr().out
    assert f"seed {found.seed}: ledger" in out
    assert json.loads(out.splitlines()[-2])["failed_seeds"] == [found.seed]


def test_what_shrinking_has_found_can_be_played_again(capsys):
    words = ["--seed", "3", "--jobs", "1", "--bug", "fees_not_booked"]
    assert main(["chaos", *words, "--shrink"]) == 1
    [again] = [line for line in capsys.readouterr().out.splitlines() if " --keep " in line]
    words = again.split("run.py ")[1].split()
    assert main(words) == 1
    assert "-> ledger at" in capsys.readouterr().out
    assert main(words[:-2]) == 0  # without the bug
    assert main(["chaos", "--seed", "3", "--keep", "f99"]) != 0
    assert "has no 'f99'" in capsys.readouterr().err


def test_an_unknown_bug_is_one_sentence(capsys):
    assert main(["chaos", "--bug", "nonsense"]) != 0
    assert "there is no planted bug 'nonsense'" in capsys.readouterr().err
