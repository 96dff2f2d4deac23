"""A region: the node that owns one region's customers and its part of every order."""
