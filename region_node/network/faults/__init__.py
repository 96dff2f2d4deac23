"""Faults: reported in any region, repaired by the one in which they are, followed by the home region of the number."""
