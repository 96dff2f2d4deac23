"""A region's tables, as numbered SQL files."""

PACKAGES = ("gateway", "region_node")
"""Whose files make the database of a region, in this order."""
