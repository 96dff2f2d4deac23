"""Sharing of customers' records."""
