"""Ports of loopback for servers that cannot choose a free one."""

import socket
import weakref


class HeldPort:
    """A port that stays the same through all restarts of its server.

    It is bound here too, without listening. Linux still lets a server with SO_REUSEADDR listen on it. While the server
    is down, no other server and no outgoing connection gets it.
    """

    def __init__(self) -> None:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._release = weakref.finalize(self, held.close)
        held.bind(("127.0.0.1", 0))
        # Set only afterwards: two searches for a free port with this option may find the same one.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = held.getsockname()[1]

    def release(self) -> None:
        """Releases the port. A listening server is not affected."""
        self._release()
