"""The regions of the federation, and their membership."""
