"""Loans of shared resources between regions: requested, lent, received, returned."""
