"""The tables of a coordinator, besides those of the fabric."""

PACKAGES = ("gateway", "coordinator")
"""The packages whose files make the database of the coordinators, in this order."""
