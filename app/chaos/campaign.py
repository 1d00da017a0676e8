"""Many schedules, over several processes; and the shortest schedule that still fails."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from app.chaos.planted_bugs import BUGS, planted
from app.chaos.play import Outcome, play
from app.chaos.schedule import Schedule, make_schedule, named_parts, shortened
from app.heap import spare_the_loop

# spawned: a forked child would share what the parent has opened
_CONTEXT = multiprocessing.get_context("spawn")
_CHUNK = 8  # seeds that a process takes at a time


def play_seed(seed: int, bug: str = "", *, scans: bool = False) -> Outcome:
    """The schedule of a seed, with a planted bug by name if one is given; `scans`: for a bot that
    scans all symbols."""
    with planted(bug):
        return play(make_schedule(seed, scans=scans))


def play_many(
    seeds: Iterable[int], *, jobs: int, bug: str = "", scans: bool = False
) -> Iterator[Outcome]:
    """Outcomes in the order of the seeds."""
    one = partial(play_seed, bug=bug, scans=scans)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with _pool(jobs) as pool:
        yield from pool.map(one, seeds, chunksize=_CHUNK)


def hunt(bug: str, *, first_seed: int, seeds: int) -> Outcome | None:
    """The first schedule that fails with the planted bug and passes without; None: the bug is
    invisible in all of them."""
    scans = BUGS[bug].scans
    for seed in range(first_seed, first_seed + seeds):
        outcome = play_seed(seed, bug, scans=scans)
        if outcome.failures and not play_seed(seed, scans=scans).failures:
            return outcome
    return None


def hunt_all(
    bugs: Iterable[str], *, first_seed: int, seeds: int, jobs: int
) -> Iterator[Outcome | None]:
    """`hunt` for each bug, in their order."""
    one = partial(hunt, first_seed=first_seed, seeds=seeds)
    if jobs == 1:
        yield from map(one, bugs)
        return
    with _pool(jobs) as pool:
        yield from pool.map(one, bugs)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=_CONTEXT, initializer=_begin_work)


def _begin_work() -> None:
    spare_the_loop()
    threading.Thread(target=_end_with_the_campaign, daemon=True).start()


def _end_with_the_campaign() -> None:
    """A campaign that is killed cannot say so, and its workers would play on for hours."""
    campaign = multiprocessing.parent_process()
    if campaign is not None:
        campaign.join()
        os._exit(1)


def shrink(
    schedule: Schedule, kind: str, *, still_fails: Callable[[Schedule, str], bool] | None = None
) -> list[str]:
    """Names of the faults and actions that the failure needs: the others are taken away one by
    one, as long as a failure of that kind remains."""
    fails = still_fails or _fails
    needed = list(named_parts(schedule))
    for name in list(needed):
        fewer = {other for other in needed if other != name}
        if fails(shortened(schedule, fewer), kind):
            needed.remove(name)
    return needed


def _fails(schedule: Schedule, kind: str) -> bool:
    return any(failure.kind == kind for failure in play(schedule).failures)
