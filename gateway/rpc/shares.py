"""How much of a server its callers may take: all of them, and each one, in calls and streams at a time."""

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity

ALL_CALLS = 4096
CALLS = ALL_CALLS // 4  # of one certificate
CALLS_OF_COORDINATOR = 2 * CALLS  # a coordinator carries the envelopes of all other regions
CALLS_OF_STRANGERS = 32  # of all of one region together, and of all without a certificate


class Shares:
    """The calls and streams that one server serves, counted by caller."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._count = 0

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


def _share(identity: Identity, *, is_stranger: bool) -> tuple[str, int]:
    """The key under which callers share places, and the number of places."""
    if is_stranger:
        return f"region/{identity.region}/*" if identity.region else identity.path, CALLS_OF_STRANGERS
    if identity.role == Role.ROLE_JOINER:
        return identity.path, CALLS_OF_STRANGERS
    return identity.path, CALLS_OF_COORDINATOR if identity.role == Role.ROLE_COORDINATOR else CALLS
