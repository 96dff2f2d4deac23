"""The port of a server: it has one process, which may have several listeners there."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.settings import host_of


class PortInUse(Exception):
    """Another process listens where this one should, or the address is not of this machine."""

    def __init__(self, listen: str) -> None:
        super().__init__(f"cannot listen on {listen}: another process does, or the address is not ours")


def listening_socket(listen: str, backlog: int | None = None) -> socket.socket:
    """A socket that alone listens on `host:port`. Raises PortInUse."""
    host, port = host_of(listen).strip("[]"), int(listen.rpartition(":")[2])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise PortInUse(listen) from error


@contextmanager
def held_port(listen: str) -> Iterator[None]:
    """Keeps other processes from `host:port`, while listeners of this one share it by SO_REUSEPORT. Raises PortInUse.

    Port 0 needs no hold, since the system gives a free one. The name of a hold belongs to the network namespace, as the
    port does, and ends with the process. An address that overlaps, such as 0.0.0.0, is found where it listens already.
    """
    if listen.endswith(":0"):
        yield
        return
    with socket.socket(socket.AF_UNIX) as name:
        try:
            name.bind(f"\0crossregion/{listen}")
        except OSError as error:
            raise PortInUse(listen) from error
        listening_socket(listen).close()  # refused by the system where anybody listens: it asks for no SO_REUSEPORT
        yield
