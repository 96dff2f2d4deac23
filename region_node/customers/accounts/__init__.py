"""Accounts of customers and of the region's books: double entry and its ledger."""
