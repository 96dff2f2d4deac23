"""The demo: a story with real processes, told on the terminal, which checks what it tells."""
