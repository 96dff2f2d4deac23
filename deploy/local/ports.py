"""Ports of loopback for servers that cannot be asked to take any free one."""

import socket
import weakref


class HeldPort:
    """A port that stays the same however often its server is started again.

    It is bound here too, without listening: Linux lets a server that sets SO_REUSEADDR listen on it all the same, and
    gives it to nobody else while the server is down, neither to another server nor to an outgoing connection.
    """

    def __init__(self) -> None:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._release = weakref.finalize(self, held.close)
        held.bind(("127.0.0.1", 0))
        # Only afterwards: of two that look for a free port with it set, both may find the same.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = held.getsockname()[1]

    def release(self) -> None:
        """Gives it up. A server that listens on it is not concerned."""
        self._release()
