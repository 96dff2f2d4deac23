"""Moves of customers to another home region: exactly one region is the home at any time."""
