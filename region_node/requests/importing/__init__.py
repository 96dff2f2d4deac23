"""Files that a region takes over line by line: how far the node is with each, and the stream on which they come."""
