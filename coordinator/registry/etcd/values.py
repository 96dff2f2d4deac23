"""The values in etcd: a line of JSON with named fields, then the bytes of an optional message. Pure.

A later version may add fields, which this one ignores. A later version that changes a meaning increments `version`. A
configuration with a separate number plan has version 2. An older program must not read it as a configuration without a
plan. Its value is complete once the parts of the plan follow the bytes of the message.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from coordinator.registry.etcd.fields import Field, Fields, Unreadable, as_text, encoded
from coordinator.registry.etcd.packing import NotWhole, Packed, PlanName, unpack
from coordinator.registry.port import Replica
from coordinator.registry.rules import Heartbeat, RegionFacts, Suspension
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import (
    Capabilities,
    NodeReport,
    NumberAssignmentMark,
    NumberAssignments,
    ProcessVersion,
    RevocationList,
    SealingKey,
)
from gateway.api.federation.v1.revision_pb2 import SignedRevision, SignedSuspension
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.audit_heads import KeptHead
from gateway.time.clock import dated, from_microseconds, to_microseconds, to_timestamp

_VERSION_APART = 2
_MICROSECOND = timedelta(microseconds=1)

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Applied:
    """A configuration that is or was in force."""

    revision: int
    configuration: Configuration
    actor: str
    time: int
    """Microseconds since 1970."""
    content: bytes = field(default=b"", repr=False, compare=False)
    """The configuration as transported."""


@dataclass(frozen=True)
class Living:
    """A process that lives."""

    heartbeat: Heartbeat
    since: datetime
    """Since when its region has had a process that lives, without a pause."""


@dataclass(frozen=True)
class Joined:
    """The value of a region's join."""

    first_joined: int
    """Microseconds since 1970."""
    signing_certificate: bytes
    sealing_key: SealingKey = field(default_factory=SealingKey)
    capabilities: Capabilities = field(default_factory=Capabilities)

    def facts(self, region: str) -> RegionFacts:
        """The facts of a region in this value."""
        return RegionFacts(
            region,
            ever_joined=True,
            signing_certificate=self.signing_certificate,
            sealing_key=self.sealing_key,
            capabilities=self.capabilities,
        )


@dataclass(frozen=True)
class Written:
    """A row of the registry's audit chain, and the random id of the change that wrote it."""

    row: AuditRow
    change_id: str


def encode_packed(revision: int, packed: Packed, actor: str, time: int) -> bytes:
    """The value of a configuration, without the parts of a separate number plan.

    `time` is in microseconds since 1970.
    """
    fields: dict[str, Field] = {"revision": revision, "actor": actor, "time": time}
    if packed.plan is None:
        return encoded(fields, packed.content)
    fields |= {"content": len(packed.content), "plan": packed.plan.digest, "parts": packed.plan.parts}
    if packed.plan.place is not None:
        fields |= {"plan_place": packed.plan.place}
    return encoded({**fields, "version": _VERSION_APART}, packed.content)


def whole(value: bytes, parts: Iterable[bytes]) -> bytes:
    """The value of a configuration with all parts of its number plan."""
    return value + b"".join(parts)


def missing_plan(value: bytes) -> PlanName | None:
    """The number plan missing from the value of a configuration; None for a complete value. Raises Unreadable."""
    fields = Fields(value, _VERSION_APART)
    plan = _plan(fields)
    return plan if plan is not None and len(fields.content) <= fields.number("content") else None


def revision_of(value: bytes) -> int:
    """The revision of a configuration, whole or not. Raises Unreadable."""
    return Fields(value, _VERSION_APART).number("revision")


def decode_applied(value: bytes) -> Applied:
    """The configuration of a whole value. Raises Unreadable."""
    fields = Fields(value, _VERSION_APART)
    plan, content = _plan(fields), fields.content
    try:
        if plan is not None:
            length = fields.number("content")
            content = unpack(plan, content[:length], content[length:])
        configuration = Configuration.FromString(content)
    except DecodeError as error:
        raise Unreadable("holds no configuration of this version") from error
    except NotWhole as error:
        raise Unreadable(f"is not whole: {error}") from error
    return Applied(fields.number("revision"), configuration, fields.text("actor"), fields.number("time"), content)


def applied_time(value: bytes) -> datetime | None:
    """When a configuration came into force, whole or not; None for a value without a readable time."""
    try:
        return dated(to_timestamp(from_microseconds(Fields(value, _VERSION_APART).number("time"))))
    except (Unreadable, OverflowError):
        return None


def _plan(fields: "Fields") -> PlanName | None:
    if "plan" not in fields:
        return None
    place = fields.number("plan_place") if "plan_place" in fields else None
    return PlanName(fields.text("plan"), fields.number("parts"), place)


def encode_revision(revision: SignedRevision) -> bytes:
    """The value of the statement that administrators signed about a revision."""
    return encoded({}, revision.SerializeToString())


def decode_revision(value: bytes) -> SignedRevision:
    """The statement of a value; an empty one, which never verifies, for a damaged value or one of a later version."""
    try:
        return SignedRevision.FromString(Fields(value).content)
    except (Unreadable, DecodeError):
        return SignedRevision()


def encode_joined(joined: Joined) -> bytes:
    """The value of a region that has joined."""
    return encoded(
        {
            "first_joined": joined.first_joined,
            "signing_certificate": as_text(joined.signing_certificate),
            "sealing_key": as_text(joined.sealing_key.SerializeToString()),
            "capabilities": as_text(joined.capabilities.SerializeToString()),
        }
    )


def decode_joined(value: bytes) -> Joined:
    """The region of a value. Raises Unreadable."""
    fields = Fields(value)
    return Joined(
        fields.number("first_joined"),
        fields.binary("signing_certificate"),
        fields.message("sealing_key", SealingKey),
        fields.message("capabilities", Capabilities),
    )


def encode_suspension(suspension: Suspension) -> bytes:
    """The value of a suspension."""
    since = to_microseconds(suspension.since)
    return encoded({"since": since, "note": suspension.note, "actor": suspension.actor})


def decode_suspension(value: bytes) -> Suspension:
    """The suspension of a value. Raises Unreadable."""
    fields = Fields(value)
    return Suspension(from_microseconds(fields.number("since")), fields.text("note"), fields.text("actor"))


def encode_suspension_statement(signed: SignedSuspension) -> bytes:
    """The value of a signed statement about a region."""
    return encoded({}, signed.SerializeToString())


def decode_suspension_statement(value: bytes) -> SignedSuspension:
    """The statement of a value; an empty one, which is never proven, for a damaged value or one of a later version."""
    try:
        return SignedSuspension.FromString(Fields(value).content)
    except (Unreadable, DecodeError):
        return SignedSuspension()


def encode_revocation_list(told: RevocationList) -> bytes:
    """The value of a revocation list."""
    return encoded({}, told.SerializeToString(deterministic=True))


def decode_revocation_list(value: bytes) -> RevocationList:
    """The revocation list of a value. Raises Unreadable."""
    try:
        return RevocationList.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable("holds no revocation list of this version") from error


def encode_living(living: Living) -> bytes:
    """The value of a process that lives."""
    heartbeat = living.heartbeat
    return encoded(
        {
            "since": to_microseconds(living.since),
            "endpoint": heartbeat.endpoint,
            "time": to_microseconds(heartbeat.time),
            "federation_revision": heartbeat.federation_revision,
            "clock_error": heartbeat.clock_error // _MICROSECOND,
            "signing_certificate": as_text(heartbeat.signing_certificate),
            "sealing_key": as_text(heartbeat.sealing_key.SerializeToString()),
            "capabilities": as_text(heartbeat.capabilities.SerializeToString()),
            "report": as_text(heartbeat.report.SerializeToString()),
        }
    )


def decode_living(value: bytes) -> Living:
    """The process of a value. Raises Unreadable."""
    fields = Fields(value)
    heartbeat = Heartbeat(
        fields.text("endpoint"),
        from_microseconds(fields.number("time")),
        fields.number("federation_revision"),
        fields.number("clock_error") * _MICROSECOND,
        fields.binary("signing_certificate"),
        fields.message("sealing_key", SealingKey),
        fields.message("capabilities", Capabilities),
        fields.message("report", NodeReport),
    )
    # A version before this field wrote none.
    since = fields.number("since") if "since" in fields else fields.number("time")
    return Living(heartbeat, from_microseconds(since))


def encode_replica(replica: Replica) -> bytes:
    """The value of a coordinator."""
    return encoded(
        {
            "name": replica.name,
            "endpoint": replica.endpoint,
            "confirmed": replica.confirmed,
            "lease": replica.lease // _MICROSECOND,
            "process_version": as_text(replica.version.SerializeToString()),
        }
    )


def decode_replica(value: bytes) -> Replica:
    """The coordinator of a value. Raises Unreadable."""
    fields = Fields(value)
    lease = fields.number("lease") if "lease" in fields else 0  # a version before this field wrote none
    return Replica(
        fields.text("name"),
        fields.text("endpoint"),
        fields.number("confirmed"),
        lease * _MICROSECOND,
        fields.message("process_version", ProcessVersion),
    )


def encode_kept_head(kept: KeptHead) -> bytes:
    """The value of the furthest audit head of a region."""
    return encoded(
        {
            "sequence": kept.head.sequence,
            "hash": kept.head.hash.hex(),
            "signature": as_text(kept.signature),
            "time": to_microseconds(kept.time),
        }
    )


def decode_kept_head(value: bytes) -> KeptHead:
    """The audit head of a value. Raises Unreadable."""
    fields = Fields(value)
    return KeptHead(_head(fields), fields.binary("signature"), from_microseconds(fields.number("time")))


def encode_case(header: CaseHeader) -> bytes:
    """The value of a case."""
    return encoded({"ticket_id": header.ticket_id}, header.SerializeToString(deterministic=True))


def decode_case(value: bytes) -> CaseHeader:
    """The case of a value. Raises Unreadable."""
    try:
        return CaseHeader.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable("holds no case of this version") from error


def encode_record(record_id: str, record: Message) -> bytes:
    """The value of a record, such as a risk."""
    return encoded({"id": record_id}, record.SerializeToString(deterministic=True))


def decode_record(value: bytes, kind: type[M]) -> M:
    """The record of a value. Raises Unreadable."""
    try:
        return kind.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable(f"holds no {kind.DESCRIPTOR.name} of this version") from error


def encode_network_event(event: NetworkEvent) -> bytes:
    """The value of an alarm or a fault."""
    return encoded({"id": event.id}, event.SerializeToString(deterministic=True))


def decode_network_event(value: bytes) -> NetworkEvent:
    """The alarm or fault of a value. Raises Unreadable."""
    try:
        return NetworkEvent.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable("holds no network event of this version") from error


def encode_problem(problem: Problem) -> bytes:
    """The value of a problem."""
    return encoded({"id": problem.header.id}, problem.SerializeToString(deterministic=True))


def decode_problem(value: bytes) -> Problem:
    """The problem of a value. Raises Unreadable."""
    try:
        return Problem.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable("holds no problem of this version") from error


def encode_assignments(assignments: NumberAssignments) -> bytes:
    """The value of one assignment with its mark, and of all of one number."""
    return encoded({}, assignments.SerializeToString(deterministic=True))


def decode_assignments(value: bytes) -> NumberAssignments:
    """The assignments of a value. Raises Unreadable."""
    try:
        return NumberAssignments.FromString(Fields(value).content)
    except DecodeError as error:
        raise Unreadable("holds no assignments of numbers of this version") from error


def encode_mark(mark: NumberAssignmentMark) -> bytes:
    """The value of the end of the list of assignments."""
    return encoded({"revision": mark.revision, "hash": mark.hash.hex()})


def decode_mark(value: bytes) -> NumberAssignmentMark:
    """The mark of a value. Raises Unreadable."""
    fields = Fields(value)
    return NumberAssignmentMark(revision=fields.number("revision"), hash=fields.digest("hash"))


def encode_certificate(pem: bytes) -> bytes:
    """The value of a certificate."""
    return encoded({}, pem)


def decode_certificate(value: bytes) -> bytes:
    """The certificate (PEM) of a value. Raises Unreadable."""
    return Fields(value).content


def encode_number(number: int) -> bytes:
    """The value of a plain number."""
    return encoded({"number": number})


def decode_number(value: bytes) -> int:
    """The number of a value. Raises Unreadable."""
    return Fields(value).number("number")


def encode_head(head: Head) -> bytes:
    """The value of the end of the registry's audit chain."""
    return encoded({"sequence": head.sequence, "hash": head.hash.hex()})


def decode_head(value: bytes) -> Head:
    """The end of the chain of a value. Raises Unreadable."""
    return _head(Fields(value))


def encode_row(written: Written) -> bytes:
    """The value of one row of the registry's audit chain."""
    row = written.row
    return encoded(
        {
            "sequence": row.sequence,
            "time": row.time,
            "actor": row.actor,
            "action": row.action,
            "subject": row.subject,
            "detail": row.detail,
            "hash": row.hash.hex(),
            "change_id": written.change_id,
        }
    )


def decode_row(value: bytes) -> Written:
    """The row of a value. Raises Unreadable."""
    fields = Fields(value)
    row = AuditRow(
        fields.number("sequence"),
        fields.number("time"),
        fields.text("actor"),
        fields.text("action"),
        fields.text("subject"),
        fields.text("detail"),
        fields.digest("hash"),
    )
    return Written(row, fields.text("change_id"))


def _head(fields: Fields) -> Head:
    return Head(fields.number("sequence"), fields.digest("hash"))
