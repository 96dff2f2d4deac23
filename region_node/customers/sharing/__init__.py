"""Records shared between regions: what a purpose may see, by whose consent, and who has seen it."""
