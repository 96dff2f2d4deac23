"""Joint orders: one order with items in several regions, which are all committed or all released."""
