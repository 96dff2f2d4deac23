"""Clients that mean harm, at nodes that are real processes, beside an honest caller."""
