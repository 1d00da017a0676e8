"""A paper account's books begin anew: `python run.py paper reset ACCOUNT --config FILE.toml`.

With the engine stopped, because ledger, journal and the paper exchange's books have to go together:
one without the others would be a difference that nothing explains. They are put aside, not deleted.
The next start begins with the configuration's `paper_balance`.
"""

from __future__ import annotations

from pathlib import Path

from app.config import load_config
from app.options import EXIT_ALREADY_RUNNING, StartError
from core.snapshots import AccountMode
from core.storage.instance_lock import AlreadyRunning, InstanceLock


def reset_paper(config: Path | None, data_dir: Path, account: str) -> str:
    """What was done, for the trader. Raises StartError; then nothing was done."""
    if config is None:
        raise StartError("name the configuration of the paper account with --config FILE.toml")
    known = {entry.name: entry for entry in load_config(config).accounts}
    if account not in known:
        raise StartError(f"there is no account {account!r} in {config}")
    if known[account].mode is not AccountMode.PAPER:
        raise StartError(f"{account} is a {known[account].mode} account: only paper money is reset")
    lock = InstanceLock(data_dir / "run" / "engine.lock")
    try:
        (data_dir / "run").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except AlreadyRunning:
        raise StartError(
            f"an engine runs on {data_dir}: stop it first", EXIT_ALREADY_RUNNING
        ) from None
    try:
        count = _put_aside(data_dir / "storage", account)
    except OSError as fault:
        raise StartError(f"the books could not be put aside ({fault.strerror})") from None
    finally:
        lock.release()
    if not count:
        return f"{account} has no books yet."
    balance = known[account].paper_balance
    return f"{account} begins anew with {balance:,f}. Its old books are in storage/put_aside."


def _put_aside(storage: Path, account: str) -> int:
    """How many files were moved."""
    files = [*storage.glob(f"account_{account}.*"), *storage.glob(f"paper_{account}.*")]
    if files:
        folder = _free_folder(storage / "put_aside")
        for file in sorted(files):
            file.rename(folder / file.name)
    return len(files)


def _free_folder(above: Path) -> Path:
    number = 1
    while (above / str(number)).exists():
        number += 1
    folder = above / str(number)
    folder.mkdir(parents=True)
    return folder
