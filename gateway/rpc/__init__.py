"""Calls, served and made: the border of a server, channels to peers, pages of lists."""
