"""Chaos: faults drawn from a seed, in the production shape under a mixed load, and the proof after them."""
