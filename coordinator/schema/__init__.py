"""The tables of a coordinator, besides those of the fabric."""
