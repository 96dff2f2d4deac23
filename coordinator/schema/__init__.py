"""The tables of a coordinator, besides those of the fabric."""

PACKAGES = ("gateway", "coordinator")
"""Whose files make the database of the coordinators, in this order."""
