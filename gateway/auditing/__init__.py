"""The audit chain, its heads, and the denial log."""
