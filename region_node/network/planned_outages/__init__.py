"""Planned outages: windows of a region's work on its network, announced to customers whose lines they take down."""
