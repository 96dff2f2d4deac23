"""The coordinator's view of the region's orders."""
