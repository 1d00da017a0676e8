"""Issue 6, acceptance 3: every dialog opened and slots raising, during traffic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from every_dialog import DIALOGS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


@pytest.mark.end_to_end
def test_no_dialog_and_no_faulty_slot_ends_the_screen_or_harms_the_feed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "dialogs_under_fire.py"), str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["opened"] == list(DIALOGS)
    assert seen["hung"] == []
    assert seen["raised"] > 3 * len(DIALOGS)
    assert seen["caught"] == seen["raised"]  # nothing but the slots that were to fail
    assert seen["fed"] == seen["arrived"] == len(DIALOGS)
    assert seen["in_order"]
    assert seen["attached"] == 1  # the link never broke
    assert seen["answers"]
