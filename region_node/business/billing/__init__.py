"""Accounts as sums of immutable entries, bills, and the debts between regions."""
