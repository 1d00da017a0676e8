"""Paper trading: the live market's data, orders matched in process by the simulated venue.

It is an exchange like any other: nothing above the port can tell, and nothing asks.
"""

from __future__ import annotations
