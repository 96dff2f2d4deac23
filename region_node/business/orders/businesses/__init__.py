"""One module per business: its rule, beside its data in the catalogue."""
