"""Money, near words, plain text, and the choices of a message: pure, without an import of the fabric but its contract."""
