"""Commands about network support."""
