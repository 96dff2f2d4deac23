"""`coordinator risks`."""
