"""Listeners of the Open APIs: HTTPS addresses of operator systems, which receive changes as signed events."""
