"""Commands that run a node and look after it."""
