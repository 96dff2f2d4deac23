"""Orders: accepted anywhere, decided by the home region, done once."""
