"""Regions and coordinators, for administrators."""
