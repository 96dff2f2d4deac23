"""Faults that tests bring about, and can prove to have happened."""
