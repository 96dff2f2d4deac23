"""Bulletins between regions, in both languages, whose readers are known."""
