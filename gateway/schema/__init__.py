"""The fabric's tables, as numbered SQL files."""
