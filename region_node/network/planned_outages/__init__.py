"""Planned outages: windows in which a region works on its network, announced to those whose lines they take down."""
