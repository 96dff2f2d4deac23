"""Who asks something of the handling region, and what it was told the first time."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from gateway import audit
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.identity import Identity
from gateway.store.port import Transaction
from region_node.business.orders.rows import (
    RequestKey,
    RequestSettled,
    find_erased,
    find_request,
    require_order,
    settle_request,
)
from region_node.business.orders.rules import NODE_OPERATOR
from region_node.node.context import RegionContext


@dataclass(frozen=True)
class Caller:
    """The operator system that calls, its request id, and the trace of the call."""

    identity: Identity
    request_id: str
    traceparent: str

    @property
    def operator(self) -> str:
        """The operator's name; that of staff, who call by themselves, is another one."""
        name = self.identity.name
        return f"staff/{name}" if self.identity.role == Role.ROLE_STAFF else name

    def key(self, content: bytes) -> RequestKey:
        """The request's key, with the digest of its normalised content."""
        return RequestKey(self.operator, self.request_id, hashlib.sha256(content).digest())

    @property
    def path(self) -> str:
        """How the audit chain names it."""
        return self.identity.path


@dataclass(frozen=True)
class OwnNode:
    """The region's own node, which orders something by itself: its request id is made of what it orders for."""

    region: str
    request_id: str
    traceparent: str

    @property
    def operator(self) -> str:
        """The operator of such orders."""
        return NODE_OPERATOR

    @property
    def path(self) -> str:
        """How the audit chain names it."""
        return f"region/{self.region}"

    def key(self, content: bytes) -> RequestKey:
        """See Caller."""
        return RequestKey(self.operator, self.request_id, hashlib.sha256(content).digest())


Submitter = Caller | OwnNode


def order_id(context: RegionContext, caller: Submitter) -> str:
    """The id of the order that a request makes: the same request always names the same order."""
    return f"{context.region}/{caller.operator}/{caller.request_id}"


def done_before(tx: Transaction, key: RequestKey) -> str | None:
    """The id of what a request is about that was made before; None where it was not.

    Raises Refused as the request was, and with REQUEST_ID_REUSED for other content.
    """
    known = find_request(tx, key.caller, key.request_id)
    if known is None:
        return None
    if not key.is_of(tx, known):
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    if known.refused is not None:
        raise known.refused
    return known.order_id


def known_request(tx: Transaction, key: RequestKey) -> Order | None:
    """The order of a request that was made before. Raises Refused as `done_before`, and with CUSTOMER_ERASED."""
    known = done_before(tx, key)
    if known is None:
        return None
    if find_erased(tx, known) is not None:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    return require_order(tx, known).order


def settle_asked(tx: Transaction, envelope_id: str, refused: Refused | None) -> None:
    """Remembers the other region's answer to what went in an envelope `<subject>#<caller>/<request id>><region>`.

    What the node has asked by itself names no caller, and nobody waits for the answer.
    """
    caller, _, request_id = envelope_id.partition("#")[2].rpartition(">")[0].rpartition("/")
    if caller:
        settle_request(tx, caller, request_id, refused)
        settled = RequestSettled(caller, request_id)
        tx.publish(settled, about=settled.about)


def note(tx: Transaction, caller: Submitter, action: str, order_id: str, now: datetime) -> None:
    """Keeps the audit row of an accepted request."""
    audit.append(tx, now=now, actor=caller.path, action=action, subject=order_id)


def is_settled(tx: Transaction, caller: Caller) -> bool:
    """Whether the other region has answered a request."""
    request = find_request(tx, caller.operator, caller.request_id)
    return request is not None and request.settled
