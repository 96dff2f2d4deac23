"""Accounts as sums of immutable entries, bills, and what regions owe each other."""
