"""Independent checks by others: exports of an audit chain."""
