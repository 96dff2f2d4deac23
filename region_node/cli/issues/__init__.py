"""Commands about issues between regions."""
