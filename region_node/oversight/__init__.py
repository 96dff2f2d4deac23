"""What the coordinator may see of the region's orders."""
