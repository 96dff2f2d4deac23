"""Agreements on the service of a line, the outages that they are measured by, monthly statements and credits."""
