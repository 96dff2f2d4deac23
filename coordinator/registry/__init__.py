"""What the coordinators of a federation know in common, as a port with adapters."""
