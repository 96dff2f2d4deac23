"""Checks of every request of an operator system. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.order_pb2 import OrderError
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Document, Requester
from gateway.errors import Refused, invalid, text
from gateway.security.identity import Identity
from gateway.time.clock import from_timestamp
from region_node.node.rules import OF_STAFF

LONGEST_WAIT = 30.0  # seconds that a caller may ask to wait for the home region
NODE_OPERATOR = "node/complaints"  # of the node's own orders: no certificate has a name with a slash
TEXT_LIMIT = 256  # characters of a text of an order, also where the customer or the line keeps it
REQUEST_LIMIT = 32 * 1024  # bytes of a request: half of an envelope's limit, since the content grows on its way
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Questioner:
    """An operator system, or a member of staff, in any region, that queries the home region."""

    region: str
    operator: str
    """The name in the certificate."""
    is_staff: bool = False
    proof: str = field(default="", compare=False)
    """The proven member of staff, as `Call.proof`: known in the asking region alone."""

    @property
    def path(self) -> str:
        """Its identity, as the audit chain names it."""
        return f"region/{self.region}/{'staff' if self.is_staff else 'operator'}/{self.operator}"

    @classmethod
    def of_caller(cls, region: str, caller: str) -> "Questioner":
        """The questioner of a region by its name among the callers there."""
        name = caller.removeprefix(OF_STAFF)
        return cls(region, name, is_staff=name != caller)

    @property
    def role(self) -> Role.ValueType:
        """The role for the home region: ROLE_STAFF, or unset for an operator system."""
        return Role.ROLE_STAFF if self.is_staff else Role.ROLE_UNSPECIFIED

    @property
    def caller(self) -> str:
        """The caller's name among all callers of a node of its region."""
        return f"{OF_STAFF}{self.operator}" if self.is_staff else self.operator

    def subject(self, request_id: str) -> str:
        """The request's subject between regions; for an order this is its id."""
        return f"{self.region}/{self.caller}/{request_id}"


def require_request_id(request_id: str) -> None:
    """Raises Refused unless the id is 1 to 64 characters of [A-Za-z0-9._-]."""
    require_name("request_id", request_id)


def require_requester(requester: Requester) -> None:
    """Raises Refused unless a staff id and a channel are given."""
    require_name("requester.staff_id", requester.staff_id)
    if not requester.channel or requester.channel not in Channel.DESCRIPTOR.values_by_number:
        raise invalid("requester.channel", "not set", "未填写")


def name_requester(identity: Identity, requester: Requester) -> None:
    """Completes a requester by the certificate of a member of staff who calls without an operator system.

    Raises Refused with STAFF_DIFFERS for another name: reviews compare it. Raises it as `require_requester`.
    """
    if identity.role == Role.ROLE_STAFF:
        requester.staff_id = requester.staff_id or identity.name
        _require_own("requester.staff_id", requester.staff_id, identity)
    require_requester(requester)


def require_own_papers(identity: Identity, documents: Sequence[Document]) -> None:
    """Raises Refused with STAFF_DIFFERS where staff without an operator system attest a paper in another name.

    Documents on file keep the name of who verified them.
    """
    if identity.role == Role.ROLE_STAFF:
        for index, document in enumerate(documents):
            if not document.document_id:
                _require_own(f"documents[{index}].verifier", document.verifier, identity)


def _require_own(field: str, said: str, identity: Identity) -> None:
    if said != identity.name:
        raise Refused(Reason.REASON_STAFF_DIFFERS, field=field, staff_id=said, proven=identity.name)


def require_reader(identity: Identity, requester: Requester) -> str:
    """The staff id of the reader: that of a staff certificate, else the requester's.

    Raises Refused where an operator system does not name the person.
    """
    if identity.role == Role.ROLE_STAFF:
        return identity.name
    require_requester(requester)
    return requester.staff_id


def require_name(field: str, value: str) -> None:
    """Raises Refused unless a request id or staff id is 1 to 64 characters of [A-Za-z0-9._-]."""
    if not is_name(value):
        problem = "1 to 64 characters of A-Z a-z 0-9 . _ -"
        raise invalid(field, problem, "须为1至64个字符，限A-Z、a-z、0-9、.、_、-")


def is_name(value: str) -> bool:
    """Whether a value is 1 to 64 characters of [A-Za-z0-9._-]."""
    return _NAME.fullmatch(value) is not None


def require_length(field: str, value: str, limit: int, *, required: bool = False) -> None:
    """Raises Refused where a text is longer than `limit` characters, or is empty though required."""
    if len(value) > limit:
        raise invalid(field, f"longer than {limit} characters", f"超过{limit}个字符")
    if required and not value:
        raise invalid(field, "not set", "未填写")


def require_size(size: int, limit: int = REQUEST_LIMIT) -> None:
    """Raises Refused with MESSAGE_TOO_LARGE for more bytes than the limit: by default what travels between regions."""
    if size > limit:
        raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(limit))


def instant(field: str, timestamp: Timestamp) -> datetime:
    """The instant of a field. Raises Refused with REQUEST_INVALID for one outside of all calendars."""
    try:
        return from_timestamp(timestamp)
    except OverflowError:
        raise invalid(field, "out of range", "超出范围") from None


def instant_within(field: str, within: Duration, now: datetime) -> datetime:
    """The instant `within` from now. Raises Refused with REQUEST_INVALID for an instant outside of the calendar."""
    try:
        return now + within.ToTimedelta()
    except (OverflowError, ValueError):
        raise invalid(field, "out of range", "超出范围") from None


def wait_seconds(seconds: float) -> float:
    """Checks how long a caller wants to wait. Raises Refused outside of 0 to 30 s."""
    if not 0 <= seconds <= LONGEST_WAIT:
        raise invalid("wait", f"not between 0 and {LONGEST_WAIT:.0f} s", f"须为0至{LONGEST_WAIT:.0f}秒")
    return seconds


def error_of(refused: Refused) -> OrderError:
    """A refusal as a part of a message: for programs, and for people in both languages."""
    return OrderError(
        reason=refused.reason, message=text(refused.reason, refused.parameters), parameters=refused.parameters
    )
