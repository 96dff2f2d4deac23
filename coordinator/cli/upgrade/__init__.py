"""`coordinator upgrade`."""
