"""The quality of paths between regions."""
