"""What others check by themselves: exports of an audit chain."""
