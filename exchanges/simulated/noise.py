"""Randomness without state: a number for every (key, counter), the same in any order of asking.

A stateful generator would have to replay everything before the moment asked for. Counter hashing
(the SplitMix64 finaliser) gives any block of any symbol's history on its own, and only integer
arithmetic decides the bits, so a seed means the same market on every machine and numpy version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LANE = np.uint64(0xFFFF)
_BELL_SCALE = 1.0 / np.sqrt((65536.0**2 - 1.0) / 3.0)  # four lanes, each of variance (n^2-1)/12


def key_of(*parts: object) -> int:
    """A 64-bit key from any printable parts."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def bits(key: int, first: int, count: int) -> Bits:
    """64 random bits for each counter from `first` on."""
    mixed = np.arange(first, first + count, dtype=np.int64).view(np.uint64) * _WEYL
    mixed += np.uint64(key)
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniform(random_bits: Bits) -> Floats:
    """In [0, 1)."""
    unit: Floats = (random_bits >> np.uint64(11)).astype(np.float64)
    unit *= 2.0**-53
    return unit


def bell(random_bits: Bits) -> Floats:
    """Close to a standard normal (sum of four uniforms): no logarithm, no cosine, bounded."""
    total = (random_bits & _LANE).astype(np.float64)
    for shift in (16, 32, 48):
        total += ((random_bits >> np.uint64(shift)) & _LANE).astype(np.float64)
    total -= 2.0 * 65535.0
    total *= _BELL_SCALE
    return total


def smooth(key: int, first: int, count: int, scale: int) -> Floats:
    """A slowly varying bell noise: random nodes every `scale` counters, straight between them."""
    first_node = first // scale
    nodes = bell(bits(key, first_node, (first + count - 1) // scale - first_node + 2))
    at = np.arange(first - first_node * scale, first - first_node * scale + count) / scale
    return np.interp(at, np.arange(len(nodes)), nodes)
