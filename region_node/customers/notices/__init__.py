"""Notices to customers, kept until the region's notification system has accepted them."""
