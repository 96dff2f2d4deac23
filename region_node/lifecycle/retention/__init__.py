"""How long what is kept is kept: the nightly purge, legal holds, and impact records."""
