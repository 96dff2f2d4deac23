"""Commands about complaints, and their reports."""
