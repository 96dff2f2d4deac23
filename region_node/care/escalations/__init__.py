"""Notices to the escalation recipients about the levels that this region has raised complaints to."""
