"""Planned outages of all regions: no two of them leave a service, or a pair of sites, without a way."""
