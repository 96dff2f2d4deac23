"""The federation configuration: read and replaced as a whole."""
