"""Measurements, one file each, registered in `app/bench.py`."""
