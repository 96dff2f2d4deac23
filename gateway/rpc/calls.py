"""The call being served: its caller, and the time left. Set by the server's border, read by services."""

import asyncio
from contextvars import ContextVar, Token
from typing import NamedTuple

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.acting import Acting
from gateway.security.identity import Identity
from gateway.security.peers import Certificates

HOP_MARGIN = 0.1  # seconds kept back at each hop, so that an answer still travels before the caller gives up


class Call(NamedTuple):
    """A call. `deadline` is a time of the event loop; None for streams, which may be endless.

    `acting` says who acts through an operator system that is not believed, or sends a proof; else it is None.
    """

    identity: Identity
    method: str
    deadline: float | None
    acting: Acting | None = None
    certificates: Certificates = ()
    """Of the caller and its issuers; none for one that has proven its identity by something else."""

    @property
    def proof(self) -> str:
        """The proven member of staff as the audit chain keeps it; empty without a proof."""
        acting = self.acting
        return acting.proof.told if acting is not None and acting.proof is not None else ""

    @property
    def staff_certificates(self) -> Certificates:
        """Of the member of staff who acts, and of their issuers: of the call, or of a statement.

        There are none where an identity provider vouches for them, and where nobody of staff has proven who acts.
        """
        if self.identity.role == Role.ROLE_STAFF:
            return self.certificates
        acting = self.acting
        peer = acting.proof.peer if acting is not None and acting.proof is not None else None
        return () if peer is None else peer.certificates

    def seconds_left(self, at_most: float) -> float:
        """The timeout of an onward call: the time left less one hop's margin, and at most `at_most`.

        Raises Refused with DEADLINE_TOO_SHORT where no time is left.
        """
        left = self._left(at_most)
        if left <= 0:
            raise Refused(Reason.REASON_DEADLINE_TOO_SHORT)
        return left

    def patience(self, at_most: float) -> float:
        """How long the caller can be kept waiting and still be answered: at most `at_most` seconds, perhaps none."""
        return max(0.0, self._left(at_most))

    def _left(self, at_most: float) -> float:
        if self.deadline is None:
            return at_most
        return min(at_most, self.deadline - asyncio.get_running_loop().time() - HOP_MARGIN)


_current: ContextVar[Call] = ContextVar("crossregion_call")


def current_call() -> Call:
    """The call being served. Raises LookupError outside of one."""
    return _current.get()


def enter(call: Call) -> Token[Call]:
    """Makes a call the current one of this task."""
    return _current.set(call)
