"""How much of a server its callers may take: connections, calls, streams and bytes at a time, and bytes a second."""

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.limit import Shared
from gateway.rpc.networks import network_of
from gateway.rpc.rates import Rate
from gateway.security.identity import Identity
from gateway.values.sizes import MIB

ALL_CALLS = 4096
CALLS = ALL_CALLS // 4  # of one certificate
CALLS_OF_COORDINATOR = 2 * CALLS  # a coordinator carries the envelopes of all other regions
CALLS_OF_STRANGERS = 32  # of all of one region together
CALLS_OF_JOINERS = 16  # of one network: they have no certificate, and each needs one call at a time
CONNECTIONS = 256  # of one certificate, with a call at the same time
BYTES = 128 * MIB  # of requests that are being served: 32 of the largest size, or 512 of the usual one
# Of the requests of a certificate that takes turns: far more than a process does. Requests beyond it wait for a while.
BYTES_PER_SECOND, BYTES_AT_ONCE = 64 * MIB, 256 * MIB
LONGEST_WAIT = 2.0  # seconds


class Shares:
    """The calls and streams that one server serves, and the bytes of their requests, counted by caller."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._connections: dict[str, dict[str, int]] = {}
        """The calls of each caller by the connection on which they came."""
        self._count = 0
        self._bytes = Shared()
        self._rate = Rate(BYTES_AT_ONCE, BYTES_PER_SECOND)

    def require_place(self) -> None:
        """Raises Refused with SERVER_CALLS_TOO_MANY where all places of the server are taken."""
        if self._count >= ALL_CALLS:
            raise Refused(Reason.REASON_SERVER_CALLS_TOO_MANY, calls=str(self._count))

    def enter(self, identity: Identity, connection: str, *, is_stranger: bool) -> str:
        """Takes a place for one call on a connection, and gives the caller's key for `leave`.

        A stranger may call nothing of the contract at this server. Raises Refused with CALLS_TOO_MANY where the caller
        has no place left, and with CONNECTIONS_TOO_MANY where it has calls on all the connections that it may have.
        """
        caller, most = _share(identity, connection, is_stranger=is_stranger)
        held = self._held.get(caller, 0)
        if held >= most:
            raise Refused(Reason.REASON_CALLS_TOO_MANY, caller=caller, calls=str(held))
        connections = self._connections.get(caller)
        if connections is None:
            connections = self._connections[caller] = {}
        elif len(connections) >= CONNECTIONS and connection not in connections:
            raise Refused(Reason.REASON_CONNECTIONS_TOO_MANY, caller=caller, connections=str(len(connections)))
        connections[connection] = connections.get(connection, 0) + 1
        self._held[caller] = held + 1
        self._count += 1
        return caller

    def of(self, caller: str) -> int:
        """How many places a caller holds, by the key of `enter`."""
        return self._held.get(caller, 0)

    def leave(self, caller: str, connection: str) -> None:
        """Gives one place of a caller back, by the key and the connection of `enter`."""
        self._count -= 1
        held = self._held[caller]
        if held == 1:
            del self._held[caller], self._connections[caller]
            return
        self._held[caller] = held - 1
        connections = self._connections[caller]
        connections[connection] -= 1
        if not connections[connection]:
            del connections[connection]

    def holding(self, caller: str) -> "HeldBytes":
        """The bytes that a call of a caller, by the key of `enter`, holds while it is served."""
        return HeldBytes(self._bytes, self._rate, caller)


class HeldBytes:
    """The bytes of the request that a call has sent and that is being served, until the end of the context.

    Its parsed form takes more, in proportion: `gateway.rpc.request_streams` counts its elements.
    """

    def __init__(self, all_bytes: Shared, rate: Rate, caller: str) -> None:
        self._all = all_bytes
        self._rate = rate
        self._caller = caller
        self._size = 0

    def __enter__(self) -> "HeldBytes":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def hold(self, size: int, now: float) -> float:
        """Takes a request into account, and gives the seconds for which it has to wait, by the rate of its caller.

        Raises Refused with REQUEST_BYTES_TOO_MANY where there is no room for it, or it would wait too long. A caller
        alone has all room; beside others it has its share at any time. `now` is monotonic.
        """
        seconds = None
        if self._all.has_room(self._caller, BYTES, size):
            seconds = self._rate.seconds_until(self._caller, now, size, LONGEST_WAIT)
        if seconds is None:
            count = self._all.of(self._caller)
            raise Refused(Reason.REASON_REQUEST_BYTES_TOO_MANY, caller=self._caller, bytes=str(count))
        if size:  # a caller that holds nothing has no part in the shares of others
            self._all.enter(self._caller, size)
            self._size += size
        return seconds

    def release(self) -> None:
        """Gives the room back."""
        if self._size:
            self._all.leave(self._caller, self._size)
            self._size = 0


def _share(identity: Identity, connection: str, *, is_stranger: bool) -> tuple[str, int]:
    """The key under which callers share places, and the number of places."""
    if is_stranger:
        return f"region/{identity.region}/*" if identity.region else identity.path, CALLS_OF_STRANGERS
    if identity.role == Role.ROLE_JOINER:
        return f"{identity.path}/{network_of(connection)}", CALLS_OF_JOINERS
    return identity.path, CALLS_OF_COORDINATOR if identity.role == Role.ROLE_COORDINATOR else CALLS
