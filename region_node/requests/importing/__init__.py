"""The import of files line by line: the progress of each file, and its stream."""
