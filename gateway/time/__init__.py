"""Instants, months, working days and hours."""
