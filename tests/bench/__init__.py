"""The bench: this system's cross-region orders against a bare chain of gRPC servers. A measurement, not a test."""
