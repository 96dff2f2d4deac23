"""Improvement actions of a region: against the causes of complaints, and for figures of its scorecard."""
