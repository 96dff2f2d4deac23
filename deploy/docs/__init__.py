"""The parts of the documents that are generated from code and tests."""
