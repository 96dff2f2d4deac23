"""Independent checks by others: exports of an audit chain, and proofs of single envelopes and receipts."""
