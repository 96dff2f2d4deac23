"""Ports of loopback for servers that cannot be asked to take any free one."""

import socket


class HeldPort:
    """A port that stays the same however often its server is started again.

    It is bound here too, without listening: Linux lets a server that sets SO_REUSEADDR listen on it all the same, and
    gives it to nobody else while the server is down, neither to another server nor to an outgoing connection.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        # Only afterwards: of two that look for a free port with it set, both may find the same.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Anyone may have it. Who holds the port in another process is not concerned."""
        self._socket.close()
