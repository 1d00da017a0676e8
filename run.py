#!/usr/bin/env python3
"""Starts TwinStar Quantum: `python run.py`. Needs nothing but Python 3.11 to 3.13.

This file must parse on any Python, so that an old or a new one gets a sentence and not a
traceback; everything else is in app/bootstrap.py.
"""

from __future__ import print_function

import sys

if not (3, 11) <= sys.version_info[:2] < (3, 14):
    print(
        "TwinStar Quantum needs Python 3.11, 3.12 or 3.13; this is %d.%d. Install one from "
        "python.org and start it with it (Windows: py -3.13 run.py, others: python3.13 run.py), "
        "or: uv run --no-project --python 3.13 run.py" % sys.version_info[:2],
        file=sys.stderr,
    )
    sys.exit(3)

if __name__ == "__main__":
    from app import bootstrap

    sys.exit(bootstrap.main(sys.argv[1:]))
