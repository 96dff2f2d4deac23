"""`region-node loans`."""
