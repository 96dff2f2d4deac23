"""The callers of the origin region, and the stored results of their requests."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from region_node.node.rules import OF_STAFF
from region_node.requests.checks import NODE_OPERATOR
from region_node.requests.rows import RequestKey, RequestSettled, find_request, insert_request, settle_request


def caller_name(identity: Identity) -> str:
    """The name of an operator system, or of a member of staff, among all callers of a node."""
    return f"{OF_STAFF}{identity.name}" if identity.role == Role.ROLE_STAFF else identity.name


@dataclass(frozen=True)
class Caller:
    """The operator system that calls, its request id, and the trace of the call."""

    identity: Identity
    request_id: str
    traceparent: str
    proof: str = ""
    """The proven member of staff behind an operator system, for the audit chain; empty without a proof."""

    @cached_property
    def operator(self) -> str:
        """The operator's name; for staff, who call by themselves, a separate one."""
        return caller_name(self.identity)

    def key(self, content: bytes) -> RequestKey:
        """The request's key, with the digest of its normalised content."""
        return RequestKey(self.operator, self.request_id, hashlib.sha256(content).digest())

    def subject(self, region: str) -> str:
        """The id of the request's result in a region, determined by the request."""
        return f"{region}/{self.operator}/{self.request_id}"

    @property
    def path(self) -> str:
        """How the audit chain names it."""
        return self.identity.path


@dataclass(frozen=True)
class OwnNode:
    """The region's own node, which orders by itself: its request id is derived from the cause of the order."""

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

    def subject(self, region: str) -> str:
        """See Caller."""
        return f"{region}/{self.operator}/{self.request_id}"

    def key(self, content: bytes) -> RequestKey:
        """See Caller."""
        return RequestKey(self.operator, self.request_id, hashlib.sha256(content).digest())


@dataclass(frozen=True)
class Administrator:
    """An administrator of the federation, whose request a coordinator passes on."""

    name: str
    """For example `admin/root`."""
    request_id: str
    traceparent: str
    proof: str = ""
    """The signed act, as `ProvenAct.proof`; empty without one."""

    @property
    def operator(self) -> str:
        """The operator of the record."""
        return self.name

    @property
    def path(self) -> str:
        """How the audit chain names it."""
        return self.name

    def key(self, content: bytes) -> RequestKey:
        """See Caller."""
        return RequestKey(self.name, self.request_id, hashlib.sha256(content).digest())


Submitter = Caller | OwnNode
Opener = Caller | Administrator
"""A member of staff, or an administrator, who opens a record between regions."""


def done_before(tx: Transaction, key: RequestKey) -> str | None:
    """The id of an earlier request's subject; None for a new request.

    Raises the earlier refusal again, and Refused with REQUEST_ID_REUSED for other content.
    """
    known = find_request(tx, key.caller, key.request_id)
    if known is None:
        return None
    if not key.is_of(tx, known):
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    if known.refused is not None:
        raise known.refused
    return known.subject


def remember_again(tx: Transaction, operator: str, subject: str, content: bytes, now: datetime) -> None:
    """Remembers the request of a restored subject, `<region>/<operator>/<request id>`: its repetition adds nothing.

    `content` is the normalised one of the first attempt.
    """
    request_id = subject.partition("/")[2].removeprefix(f"{operator}/")
    if find_request(tx, operator, request_id) is None:
        key = RequestKey(operator, request_id, hashlib.sha256(content).digest())
        insert_request(tx, key, subject, settled=True, now=now)


def settle_asked(tx: Transaction, envelope_id: str, refused: Refused | None) -> None:
    """Stores the other region's answer to an envelope `<subject>#<caller>/<request id>><region>`.

    The node's own requests name no caller, and nobody waits for the answer.
    """
    caller, _, request_id = envelope_id.partition("#")[2].rpartition(">")[0].rpartition("/")
    if caller:
        settle_request(tx, caller, request_id, refused)
        settled = RequestSettled(caller, request_id)
        tx.publish(settled, about=settled.about)


def note(tx: Transaction, caller: Submitter | Administrator, action: str, subject: str, now: datetime) -> None:
    """Keeps the audit row of an accepted request."""
    proof = "" if isinstance(caller, OwnNode) else caller.proof
    audit.append(tx, now=now, actor=caller.path, action=action, subject=subject, detail=proof)


def require_accepted(tx: Transaction, caller: Caller) -> None:
    """Raises Refused where the other region has refused a request."""
    request = find_request(tx, caller.operator, caller.request_id)
    if request is not None and request.refused is not None:
        raise request.refused
