"""Faults: reported in any region, repaired by the owner region, followed by the home region of the number."""
