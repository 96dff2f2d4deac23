"""Quality of a region: its scorecard, and the supervision of its work by samples."""
