"""A region's tables, as numbered SQL files."""
