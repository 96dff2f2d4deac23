"""The shared state of a federation's coordinators, as a port with adapters."""
