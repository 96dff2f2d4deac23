"""The region's own customers with their lines."""
