"""The register of risks of the federation."""
