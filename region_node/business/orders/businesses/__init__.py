"""One module per business: what about it is not data in the catalogue."""
