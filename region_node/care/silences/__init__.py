"""Owners of tickets between regions that are silent about what is due: noted by the other regions of the ticket."""
