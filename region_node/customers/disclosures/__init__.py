"""The customers' view of reads of, and queries about, their data."""
