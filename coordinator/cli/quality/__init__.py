"""`coordinator quality`."""
