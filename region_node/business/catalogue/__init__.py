"""What can be done, what it needs and what it costs."""
