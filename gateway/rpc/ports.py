"""The port of a server: it belongs to one process, which may have several listeners there."""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gateway.settings import host_of

_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Address]
_ANY, _EVERY = ("0.0.0.0", "::"), "*"  # gRPC listens on both where either is named  # noqa: S104


class PortInUse(Exception):
    """Another process listens where this one should, or the address is not of this machine."""

    def __init__(self, listen: str, why: str = "another process does, or the address is not ours") -> None:
        super().__init__(f"cannot listen on {listen}: {why}")


def host_and_port(listen: str) -> tuple[str, int]:
    """The parts of `host:port`; an IPv6 address stands in brackets."""
    return host_of(listen).strip("[]"), int(listen.rpartition(":")[2])


@contextmanager
def held_port(listen: str) -> Iterator[None]:
    """Keeps other processes from `host:port`, while listeners of this one share it by SO_REUSEPORT. Raises PortInUse.

    Port 0 needs no hold, since the system gives a free one. Each address of the host has a hold, whose name belongs to
    the network namespace, as the port does, and ends with the process. An address that overlaps, such as 0.0.0.0, is
    found where it listens already.
    """
    host, port = host_and_port(listen)
    if not port:
        yield
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortInUse(listen, str(error)) from error
    with ExitStack() as holds:
        for each in sorted({_EVERY if address[0] in _ANY else str(address[0]) for *_, address in found}):
            try:
                holds.enter_context(socket.socket(socket.AF_UNIX)).bind(f"\0crossregion/{port}/{each}")
            except OSError as error:
                raise PortInUse(listen) from error
        _require_unused(listen, found)
        yield


def _require_unused(listen: str, found: Sequence[_Found]) -> None:
    """Raises PortInUse where anybody listens at one of the addresses, or at one that overlaps."""
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # as gRPC listens: on [::] for IPv4 as well
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                probe.bind(address)  # without SO_REUSEPORT the system refuses it beside any listener
        except OSError as error:
            # gRPC meets any other error: a host may have more addresses.
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(listen) from error
