"""Orders across regions, collected from the nodes."""
