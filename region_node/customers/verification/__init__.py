"""Verification of a customer: one-time codes and service passwords, issued and checked at home only."""
