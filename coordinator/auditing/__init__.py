"""The audit chains of the regions, held against what others have seen of them."""
