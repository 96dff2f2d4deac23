"""Quality of a region: its scorecard."""
