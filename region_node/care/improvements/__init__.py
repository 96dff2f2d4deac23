"""What a region does so that the causes of complaints do not come back."""
