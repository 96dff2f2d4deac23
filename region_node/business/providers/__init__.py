"""The region's own systems, which its node calls."""
