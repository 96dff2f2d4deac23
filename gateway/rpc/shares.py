"""How much of a server its callers may take: all of them, and each one, in calls, streams and bytes at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.limit import Shared
from gateway.security.identity import Identity

ALL_CALLS = 4096
CALLS = ALL_CALLS // 4  # of one certificate
CALLS_OF_COORDINATOR = 2 * CALLS  # a coordinator carries the envelopes of all other regions
CALLS_OF_STRANGERS = 32  # of all of one region together, and of all without a certificate
BYTES = 128 * 1024 * 1024  # of requests that are being served: 32 of the largest size, or 512 of the usual one


class Shares:
    """The calls and streams that one server serves, and the bytes of their requests, counted by caller."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._count = 0
        self._bytes = Shared()

    def require_place(self) -> None:
        """Raises Refused with SERVER_CALLS_TOO_MANY where all places of the server are taken."""
        if self._count >= ALL_CALLS:
            raise Refused(Reason.REASON_SERVER_CALLS_TOO_MANY, calls=str(self._count))

    def enter(self, identity: Identity, *, is_stranger: bool) -> str:
        """Takes a place for one call, and gives the caller's key for `leave`.

        A stranger may call nothing of the contract at this server. Raises Refused with CALLS_TOO_MANY where the caller
        has no place left.
        """
        caller, most = _share(identity, is_stranger=is_stranger)
        held = self._held.get(caller, 0)
        if held >= most:
            raise Refused(Reason.REASON_CALLS_TOO_MANY, caller=caller, calls=str(held))
        self._held[caller] = held + 1
        self._count += 1
        return caller

    def of(self, caller: str) -> int:
        """How many places a caller holds, by the key of `enter`."""
        return self._held.get(caller, 0)

    def leave(self, caller: str) -> None:
        """Gives one place of a caller back, by the key of `enter`."""
        self._count -= 1
        held = self._held.pop(caller)
        if held > 1:
            self._held[caller] = held - 1

    @contextmanager
    def holding(self, caller: str) -> Iterator["HeldBytes"]:
        """The bytes that a call of a caller, by the key of `enter`, holds while it is served."""
        held = HeldBytes(self._bytes, caller)
        try:
            yield held
        finally:
            held.release()


class HeldBytes:
    """The bytes of the request that a call has sent and that is being served.

    Its parsed form takes more, in proportion: `gateway.rpc.request_streams` counts its elements.
    """

    def __init__(self, all_bytes: Shared, caller: str) -> None:
        self._all = all_bytes
        self._caller = caller
        self._size = 0

    def hold(self, size: int) -> None:
        """Takes a request into account. Raises Refused with REQUEST_BYTES_TOO_MANY where there is no room for it.

        A caller alone has all room; beside others it has its share at any time.
        """
        if not self._all.has_room(self._caller, BYTES, size):
            count = self._all.of(self._caller)
            raise Refused(Reason.REASON_REQUEST_BYTES_TOO_MANY, caller=self._caller, bytes=str(count))
        self._all.enter(self._caller, size)
        self._size += size

    def release(self) -> None:
        """Gives the room back."""
        self._all.leave(self._caller, self._size)
        self._size = 0


def _share(identity: Identity, *, is_stranger: bool) -> tuple[str, int]:
    """The key under which callers share places, and the number of places."""
    if is_stranger:
        return f"region/{identity.region}/*" if identity.region else identity.path, CALLS_OF_STRANGERS
    if identity.role == Role.ROLE_JOINER:
        return identity.path, CALLS_OF_STRANGERS
    return identity.path, CALLS_OF_COORDINATOR if identity.role == Role.ROLE_COORDINATOR else CALLS
