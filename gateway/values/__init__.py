"""Money, near words, plain text, and the choices of a message: pure, of the contract alone."""
