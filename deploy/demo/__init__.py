"""The demo: a story with real processes on the terminal, which checks its own claims."""
