"""The retention of data: the nightly purge, legal holds, and impact records."""
