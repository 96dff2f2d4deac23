"""Orders: taken in anywhere, decided by the home region, done once."""
