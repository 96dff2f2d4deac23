"""The common parts of all imports of files."""
