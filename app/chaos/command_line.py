"""`python run.py chaos`: plays schedules, says what failed and how to see it again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from app.chaos.campaign import hunt_all, play_many, shrink
from app.chaos.planted_bugs import BUGS, IDENTITY, planted
from app.chaos.play import Outcome, play
from app.chaos.schedule import Schedule, make_schedule, named_parts, shortened
from app.options import StartError
from exchanges.simulated.faults import FaultKind

_PROGRESS_EVERY_S = 5.0
_FAILURES_SHOWN = 10
_FIGURES_EVERY = 1000  # schedules: a long run that is broken off has shown something
_NOTHING = "nothing"
_BOTS = ("symbol", "scan")
_ENOUGH = 500  # schedules in which every kind of fault has to happen
# failure kinds that the summary counts under its own keys
_DUPLICATE = ("duplicate", "turned")
_ORPHAN = ("orphan", "orphan_order")


def main(words: list[str]) -> int:
    """0 when nothing failed (with --planted: when every bug was found)."""
    parser = argparse.ArgumentParser(
        prog="run.py chaos", description="the engine under random faults, in virtual time"
    )
    add = parser.add_argument
    add("--seed", type=int, default=0, help="of the first schedule")
    add("--schedules", type=int, default=1, help="how many, one seed after the other")
    add("--jobs", type=int, default=2, help="processes")
    add("--shrink", action="store_true", help="find the shortest schedule that still fails")
    add("--keep", help="of the one schedule: only these faults and actions, as --shrink names them")
    add("--planted", action="store_true", help="switch on one planted bug after the other")
    add("--bug", default="", help="with the planted bug of that name")
    add("--bots", choices=_BOTS, default=_BOTS[0], help="one a symbol, or one that scans them all")
    add("--seeds", type=int, default=2000, help="with --planted: seeds to find each bug in")
    options = parser.parse_args(words)
    if options.bug and options.bug not in BUGS:
        raise StartError(f"there is no planted bug {options.bug!r}; known: {', '.join(BUGS)}")
    if min(options.schedules, options.jobs, options.seeds) < 1:
        raise StartError("--schedules, --jobs and --seeds are at least 1")
    if options.keep is not None:
        return _replay(options)
    if options.planted:
        return _hunt(options.seed, options.seeds, options.jobs)
    return _campaign(options)


def _campaign(options: argparse.Namespace) -> int:
    began_s = time.perf_counter()
    summary = Summary()
    seeds = range(options.seed, options.seed + options.schedules)
    for outcome in _with_progress(
        play_many(
            seeds,
            jobs=min(options.jobs, options.schedules),
            bug=options.bug,
            scans=_scans(options),
        ),
        options,
    ):
        summary.add(outcome)
        if summary.count % _FIGURES_EVERY == 0 and summary.count < options.schedules:
            so_far = summary.figures(time.perf_counter() - began_s)
            print(json.dumps({"so_far": so_far, "failed": len(summary.failed)}), flush=True)
    if summary.failed and options.shrink:
        _show_shortest(summary.failed[0], options)
    took_s = time.perf_counter() - began_s
    never = summary.never_happened() if options.schedules >= _ENOUGH else set()
    if never:
        print(f"no schedule met {', '.join(sorted(never))}: it proves nothing about that")
    print(json.dumps(summary.details(took_s)))
    print(json.dumps(summary.figures(took_s)), flush=True)
    return 1 if summary.failed or never else 0


def _replay(options: argparse.Namespace) -> int:
    """One schedule, or what is kept of it, told in full."""
    schedule = make_schedule(options.seed, scans=_scans(options))
    try:
        schedule = shortened(schedule, set(options.keep.split(",")) - {_NOTHING})
    except KeyError as unknown:
        known = ", ".join(named_parts(schedule))
        text = f"seed {options.seed} has no {unknown.args[0]!r}; known: {known}"
        raise StartError(text) from None
    print(describe(schedule))
    with planted(options.bug):
        failures = play(schedule).failures
    for failure in failures:
        print(f"  -> {failure.kind} at {failure.at_s} s: {failure.text}")
    return 1 if failures else 0


def _scans(options: argparse.Namespace) -> bool:
    return bool(options.bots == "scan")


def _show_command(seed: int, options: argparse.Namespace, more: str = "") -> None:
    bots = f" --bots {options.bots}" if _scans(options) else ""
    bug = f" --bug {options.bug}" if options.bug else ""
    print(f"again: python run.py chaos --seed {seed}{bots}{more}{bug}")


def _with_progress(outcomes: Iterator[Outcome], options: argparse.Namespace) -> Iterator[Outcome]:
    told_s = time.monotonic()
    for count, outcome in enumerate(outcomes, 1):
        if outcome.failures:
            for failure in outcome.failures:
                print(f"seed {outcome.seed}: {failure.kind} at {failure.at_s} s: {failure.text}")
            _show_command(outcome.seed, options)
            sys.stdout.flush()
        if time.monotonic() - told_s > _PROGRESS_EVERY_S:
            told_s = time.monotonic()
            print(f"{count} of {options.schedules}", file=sys.stderr, flush=True)
        yield outcome


class Summary:
    """Adds up outcomes: `count` of them. `failed`: those that failed, in the order of their
    seeds."""

    def __init__(self) -> None:
        self.count = 0
        self.failed: list[Outcome] = []
        self._kinds: Counter[str] = Counter()
        self._struck: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._ledger_error = Decimal(0)
        self._unprotected_s_max = 0.0
        self._healed_s: list[float] = []
        self._cpu_s = 0.0
        self._trace = 0

    def add(self, outcome: Outcome) -> None:
        self.count += 1
        self._struck.update(outcome.struck)
        self._seen.update(outcome.seen)
        self._kinds.update(failure.kind for failure in outcome.failures)
        if outcome.failures:
            self.failed.append(outcome)
        if not outcome.ledger_error.is_nan():
            self._ledger_error = max(self._ledger_error, abs(outcome.ledger_error))
        self._unprotected_s_max = max(self._unprotected_s_max, outcome.unprotected_s_max)
        if outcome.healed_s is not None:
            self._healed_s.append(outcome.healed_s)
        self._cpu_s += outcome.cpu_s
        self._trace ^= int(outcome.trace, 16)

    def figures(self, took_s: float) -> dict[str, object]:
        """The last line. The rate is of wall time."""
        kinds = self._kinds
        return {
            "schedules": self.count,
            "duplicates": sum(kinds[kind] for kind in _DUPLICATE),
            "orphans": sum(kinds[kind] for kind in _ORPHAN),
            "ledger_error": f"{self._ledger_error:.2f}",
            "cap_breaches": kinds["cap"],
            "unresolved": kinds["unresolved"],
            "unprotected_s_max": self._unprotected_s_max,
            "schedules_per_s": round(self.count / took_s, 2),
        }

    def details(self, took_s: float) -> dict[str, object]:
        """What stands behind the figures; `trace` is equal for equal campaigns."""
        return {
            "seconds": round(took_s, 1),
            "schedules_per_core_s": round(self.count / self._cpu_s, 2) if self._cpu_s else None,
            "failed": len(self.failed),
            "failures": dict(sorted(self._kinds.items())),
            "failed_seeds": [outcome.seed for outcome in self.failed[:_FAILURES_SHOWN]],
            "healed_s_max": max(self._healed_s, default=None),
            "seen": dict(self._seen),
            "faults": dict(sorted(self._struck.items())),
            "trace": f"{self._trace:032x}",
        }

    def never_happened(self) -> set[str]:
        """Kinds of fault that no schedule has met: they prove nothing."""
        return {kind.value for kind in FaultKind if not self._struck[kind.value]}


def _show_shortest(outcome: Outcome, options: argparse.Namespace) -> None:
    kind, schedule = outcome.failures[0].kind, make_schedule(outcome.seed, scans=_scans(options))
    with planted(options.bug):
        needed = shrink(schedule, kind)
    print(f"the shortest schedule of seed {outcome.seed} that still fails ({kind}):")
    print(describe(shortened(schedule, set(needed))))
    _show_command(outcome.seed, options, f" --keep {','.join(needed) or _NOTHING}")


def describe(schedule: Schedule) -> str:
    """A schedule in lines a person can read."""
    lines = [
        f"  seed {schedule.seed}, venue {schedule.profile.name!r}, {', '.join(schedule.symbols)}, "
        f"{schedule.balance} USDT, drawdown limit {schedule.max_drawdown:.0%}, "
        f"faults end at {schedule.fault_s:.0f} s"
    ]
    if schedule.scan is not None:
        lines.append(f"  one bot scans them, {schedule.scan.position_limit} positions at most")
    lines += [
        f"  {f.start_s:7.2f} s to {f.end_s:7.2f} s  {f.kind} {f.symbol} "
        f"chance {f.chance} value {f.value}"
        for f in sorted(schedule.faults, key=lambda fault: fault.start_s)
    ]
    lines += [f"  {a.at_s:7.2f} s  trader: {a.kind} {a.symbol}" for a in schedule.actions]
    return "\n".join(lines)


def _hunt(first_seed: int, seeds: int, jobs: int) -> int:
    """Each planted bug alone, until a schedule fails that passes without it."""
    lost = []
    outcomes = hunt_all(BUGS, first_seed=first_seed, seeds=seeds, jobs=jobs)
    for (name, bug), outcome in zip(BUGS.items(), outcomes, strict=True):
        if outcome is None:
            lost.append(name)
            print(f"NOT FOUND           {name}: {bug.sentence}", flush=True)
        else:
            kinds = ", ".join(failure.kind for failure in outcome.failures)
            print(f"found by seed {outcome.seed:5} {name}: {bug.sentence} -> {kinds}", flush=True)
    lost_identity = [name for name in lost if BUGS[name].family == IDENTITY]
    figures = {
        "planted": len(BUGS),
        "found": len(BUGS) - len(lost),
        "not_found": lost,
        "not_found_of_duplicates_and_orphans": lost_identity,
    }
    print(json.dumps(figures))
    return 1 if lost else 0
