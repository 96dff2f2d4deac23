"""Commands about faults."""
