"""The relay: commands and queries between regions, sealed, stored, sent in batches, answered with signed receipts."""
