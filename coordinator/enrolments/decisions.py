"""The life of an enrolment: invited, requested, decided by two people. Pure."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta

from cryptography import x509

from gateway.api.coordinator.v1 import enrolment_service_pb2 as contract
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment, EnrolmentState
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, problem_of
from gateway.rpc.pages import dated_key
from gateway.security.enrolling import SECRET_BYTES, RequestedKeys, enrolment_id
from gateway.security.identity import Identity
from gateway.time.clock import from_timestamp, to_timestamp

INVITED = EnrolmentState.ENROLMENT_STATE_INVITED
REQUESTED = EnrolmentState.ENROLMENT_STATE_REQUESTED
APPROVED = EnrolmentState.ENROLMENT_STATE_APPROVED
REJECTED = EnrolmentState.ENROLMENT_STATE_REJECTED
ENDED = EnrolmentState.ENROLMENT_STATE_ENDED

MOST_HOURS = 72
MOST_OPEN = 64  # enrolments that wait for keys or for a decision: each joiner's question reads one, a list reads all
# A second administrator may be away over a weekend; what is not decided by then begins anew.
DECISION_TIME = timedelta(days=7)
# The joiner may fetch its certificates, and administrators see the decision, for so long after the end.
KEPT = timedelta(days=30)
_HASH_BYTES = 32
_WAITING = (INVITED, REQUESTED)
_NOTE_CHARACTERS = 500


def stands(enrolment: Enrolment, now: datetime) -> Enrolment:
    """An enrolment as it stands at `now` (aware): one that still waits after its time has ended."""
    if enrolment.state not in _WAITING or now <= from_timestamp(enrolment.end_time):
        return enrolment
    ended = deepcopy(enrolment)
    ended.state = ENDED
    return ended


def counts(enrolment: Enrolment, now: datetime) -> bool:
    """Whether the token of an enrolment is worth something at `now` (aware)."""
    return stands(enrolment, now).state in (*_WAITING, APPROVED)


def place(enrolment: Enrolment) -> str:
    """The place in a list."""
    return dated_key(from_timestamp(enrolment.invite_time), enrolment.id)


def is_past(enrolment: Enrolment, now: datetime) -> bool:
    """Whether an enrolment is to be removed."""
    return now > from_timestamp(enrolment.end_time) + DECISION_TIME + KEPT


def require_room(known: Sequence[Enrolment], now: datetime) -> None:
    """Raises Refused with ENROLMENTS_TOO_MANY where too many wait."""
    if sum(stands(each, now).state in _WAITING for each in known) >= MOST_OPEN:
        raise Refused(Reason.REASON_ENROLMENTS_TOO_MANY)


def invited(
    before: Enrolment | None, request: contract.InviteRegionRequest, actor: str, federation: str, now: datetime
) -> Enrolment | None:
    """The enrolment of an invitation; None for a repeated request. Raises Refused with REQUEST_INVALID."""
    try:
        _ = _node(request.region, federation)
    except ValueError as error:
        raise invalid("region", str(error), "不是地区名称") from None
    if len(request.token_hash) != _HASH_BYTES:
        raise invalid("token_hash", f"it does not have {_HASH_BYTES} bytes", f"须为{_HASH_BYTES}字节")
    if not 1 <= request.hours <= MOST_HOURS:
        raise invalid("hours", f"it is not 1 to {MOST_HOURS}", f"须为1至{MOST_HOURS}")
    if before is not None:
        if (before.token_hash, before.region, before.invited_by) == (request.token_hash, request.region, actor):
            return None
        raise invalid("token_hash", "it was used before", "此前已使用")
    return Enrolment(
        id=enrolment_id(request.token_hash),
        region=request.region,
        state=INVITED,
        token_hash=request.token_hash,
        invited_by=actor,
        invite_time=to_timestamp(now),
        end_time=to_timestamp(now + timedelta(hours=request.hours)),
    )


def require_secret(secret: bytes) -> None:
    """Raises Refused with ENROLMENT_TOKEN_INVALID for what is no secret of a token."""
    if len(secret) != SECRET_BYTES:
        raise Refused(Reason.REASON_ENROLMENT_TOKEN_INVALID)


def requested(
    before: Enrolment | None, request: contract.EnrolRequest, hashed: bytes, federation: str, now: datetime
) -> Enrolment | None:
    """The enrolment with the keys of a joiner; None where it has them.

    Raises Refused with ENROLMENT_TOKEN_INVALID, ENROLMENT_TOKEN_USED or CERTIFICATE_REQUEST_INVALID.
    """
    if (
        before is None
        or before.token_hash != hashed
        or (before.state == INVITED and stands(before, now).state == ENDED)
    ):
        raise Refused(Reason.REASON_ENROLMENT_TOKEN_INVALID)
    identity = node_of(before, federation)
    try:
        keys = RequestedKeys.of(request.tls_request, request.signing_request, identity)
    except ValueError as error:
        raise Refused(Reason.REASON_CERTIFICATE_REQUEST_INVALID, **problem_of(error)) from None
    if before.state != INVITED:
        if before.tls_request and keys.fingerprint == requested_keys(before, federation).fingerprint:
            return None
        raise Refused(Reason.REASON_ENROLMENT_TOKEN_USED)
    after = deepcopy(before)
    after.state = REQUESTED
    after.tls_request, after.signing_request = request.tls_request, request.signing_request
    after.request_time.CopyFrom(to_timestamp(now))
    after.end_time.CopyFrom(to_timestamp(now + DECISION_TIME))
    return after


def approved(
    before: Enrolment | None,
    request: contract.ApproveEnrolmentRequest,
    actor: str,
    authorities: Sequence[x509.Certificate],
    federation: str,
    now: datetime,
) -> Enrolment | None:
    """The enrolment with its certificates (PEM); None where it has them.

    Raises Refused with ENROLMENT_NOT_FOUND, ENROLMENT_NOT_WAITING, ENROLMENT_NEEDS_ANOTHER_ADMINISTRATOR or
    CERTIFICATE_UNFIT.
    """
    before = _found(before, request.enrolment_id)
    certificates = (request.tls_certificate, request.signing_certificate)
    if before.state == APPROVED and certificates == (before.tls_certificate, before.signing_certificate):
        return None
    _require_waiting(before, (REQUESTED,), now)
    if actor.casefold() == before.invited_by.casefold():  # an identity provider may repeat a name as it was typed
        raise Refused(Reason.REASON_ENROLMENT_NEEDS_ANOTHER_ADMINISTRATOR, actor=actor)
    try:
        keys = requested_keys(before, federation)
        keys.require_certified(*certificates, authorities, node_of(before, federation))
    except ValueError as error:
        raise Refused(Reason.REASON_CERTIFICATE_UNFIT, **problem_of(error)) from None
    after = _decided(before, APPROVED, actor, now)
    after.tls_certificate, after.signing_certificate = certificates
    return after


def rejected(
    before: Enrolment | None, request: contract.RejectEnrolmentRequest, actor: str, now: datetime
) -> Enrolment | None:
    """The enrolment without its requests' chance; None where it is rejected.

    Raises Refused with REQUEST_INVALID, ENROLMENT_NOT_FOUND or ENROLMENT_NOT_WAITING.
    """
    if len(request.note) > _NOTE_CHARACTERS:
        raise invalid("note", f"it has more than {_NOTE_CHARACTERS} characters", f"超过{_NOTE_CHARACTERS}个字符")
    before = _found(before, request.enrolment_id)
    if before.state == REJECTED:
        return None
    _require_waiting(before, _WAITING, now)
    after = _decided(before, REJECTED, actor, now)
    after.note = request.note
    return after


def node_of(enrolment: Enrolment, federation: str) -> Identity:
    """The node that an enrolment is for."""
    return _node(enrolment.region, federation)


def requested_keys(enrolment: Enrolment, federation: str) -> RequestedKeys:
    """The keys of an enrolment's requests. Raises ValueError without them."""
    return RequestedKeys.of(enrolment.tls_request, enrolment.signing_request, node_of(enrolment, federation))


def _node(region: str, federation: str) -> Identity:
    return Identity(federation, Role.ROLE_REGION, region, "")


def _found(enrolment: Enrolment | None, name: str) -> Enrolment:
    if enrolment is None:
        raise Refused(Reason.REASON_ENROLMENT_NOT_FOUND, enrolment=name)
    return enrolment


def _require_waiting(enrolment: Enrolment, states: Sequence[EnrolmentState.ValueType], now: datetime) -> None:
    if stands(enrolment, now).state not in states:
        raise Refused(Reason.REASON_ENROLMENT_NOT_WAITING, enrolment=enrolment.id)


def _decided(before: Enrolment, state: EnrolmentState.ValueType, actor: str, now: datetime) -> Enrolment:
    after = deepcopy(before)
    after.state, after.decided_by = state, actor
    after.decision_time.CopyFrom(to_timestamp(now))
    return after
