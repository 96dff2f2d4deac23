"""What all imports of files have in common."""
