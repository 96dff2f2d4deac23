"""Which regions belong to the federation, and how they stand."""
