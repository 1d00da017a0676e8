"""ux 74: at no scale and in no language is a word cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("scale", "screen"),
    [
        (1.0, (1280, 800)),
        (1.0, (1560, 900)),  # the smallest window that leaves nothing out
        (1.5, (1920, 1080)),
    ],  # 1.25 and 2.0 by hand: they pass too
)
def test_no_word_is_cut_on_any_page_or_dialog(
    tmp_path: Path, scale: float, screen: tuple[int, int]
) -> None:
    """ux 74: the whole screen of so many pixels, in English and Korean."""
    size = [str(int(side / scale)) for side in screen]
    done = subprocess.run(
        [sys.executable, str(HERE / "clipped_words.py"), str(tmp_path), *size],
        cwd=ROOT,
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "QT_SCALE_FACTOR": str(scale),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["scale"] == scale
    assert seen["clipped"] == {}
