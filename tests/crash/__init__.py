"""Real processes that are killed, cut off and overfilled at every point of an order's way."""
