"""Support requests, as stored.

The region that opens one is its origin, the region at fault owns it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.customers.erased_numbers import look_if_erased
from region_node.customers.known_statuses import NOT_RESTRICTED
from region_node.network.support import rules
from region_node.node.subjects import number_index
from region_node.records.listing import Page
from region_node.records.numbers import Numbers
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed

SUPPORT_SUBJECTS = "support/"
KIND = "support"


def support_subject(support_id: str) -> str:
    """The subject whose key seals a support request."""
    return SUPPORT_SUBJECTS + support_id


@dataclass(frozen=True)
class SupportRow:
    """A support request and the trace of all its envelopes."""

    request: SupportRequest = field(repr=False)
    traceparent: str


SUPPORT_RECORDS = Records(
    table="support_requests",
    key="support_request_id",
    dated="create_time",
    fixed=("support_request_id", "support_number", "origin_region", "operator", "number_index", "create_time"),
    changing=("owner_region", "state", "version", "changed"),
    message=SupportRequest,
    row=SupportRow,
    subject=support_subject,
    not_found=lambda support_id: Refused(Reason.REASON_SUPPORT_REQUEST_NOT_FOUND, request=support_id),
)
_NUMBERS = Numbers("support_requests", "support_number", purged="purged_support_requests")


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class SupportFilter:
    """A filter of support requests; empty values restrict nothing. `operator` sees its own requests."""

    operator: str = ""
    states: Sequence[SupportState.ValueType] = ()
    number: str = ""


def next_support_number(tx: Transaction) -> int:
    """The number of the next support request that is opened here."""
    return _NUMBERS.next(tx)


def find_support_request(tx: Transaction, support_id: str) -> SupportRow | None:
    """This region's version of a support request; None also for an unreadable one."""
    return SUPPORT_RECORDS.find(tx, support_id)


def require_support_request(tx: Transaction, support_id: str) -> SupportRow:
    """The support request as this region has it. Raises Refused with SUPPORT_REQUEST_NOT_FOUND."""
    return SUPPORT_RECORDS.require(tx, support_id)


def insert_support_request(tx: Transaction, row: SupportRow, support_number: int, now: datetime) -> None:
    """Adds a support request."""
    request = row.request
    columns: dict[str, Value] = {
        **_changing(request, now),
        "support_number": support_number,
        "origin_region": request.origin_region,
        "operator": request.operator,
        "number_index": number_index(tx, request.inquiry.number),
        "create_time": to_microseconds(from_timestamp(request.create_time)),
        "traceparent": row.traceparent,
    }
    SUPPORT_RECORDS.insert(tx, request.id, request, columns)
    _NUMBERS.note(tx, support_number)
    _look_if_erased(tx, request, now)


def update_support_request(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    """Stores a changed support request. A closed request of an erased customer is checked for erasure."""
    SUPPORT_RECORDS.update(tx, request.id, request, _changing(request, now))
    _look_if_erased(tx, request, now)


def list_support_requests(
    tx: Transaction, wanted: SupportFilter, before: tuple[int, str] | None, limit: int
) -> Page[SupportRequest]:
    """At most `limit` support requests, newest first, older than `before` (creation date in microseconds, id).

    Those of restricted customers are left out.
    """
    listed = SUPPORT_RECORDS.listed(shown=NOT_RESTRICTED)
    if wanted.operator:
        listed.only("operator = :operator AND support_number > 0", operator=wanted.operator)
    listed.in_states(wanted.states)
    listed.of_number(tx, wanted.number)
    return SUPPORT_RECORDS.page(tx, listed, before, limit)


def _look_if_erased(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    if rules.is_ended(request):
        look_if_erased(tx, KIND, request.id, request.inquiry.number, now)


def _changing(request: SupportRequest, now: datetime) -> Mapping[str, Value]:
    return {
        "owner_region": request.owner_region,
        "state": request.state,
        "version": request.version,
        "changed": to_microseconds(now),
    }


def facts(request: SupportRequest) -> Facts:
    """The regions with a part in a support request."""
    return Facts(
        name=request.id,
        origin=request.origin_region,
        owner=request.owner_region,
        operator=request.operator,
        version=request.version,
        state=request.state,
        created=request.create_time,
        number=request.inquiry.number,
        home=request.home_region,
    )


SUPPORT = Followed(
    records=SUPPORT_RECORDS,
    facts=facts,
    prefix="S",
    first=rules.ACKNOWLEDGED,
    final=frozenset({rules.CLOSED}),
    fixed=(
        "id",
        "inquiry",
        "finding",
        "create_time",
        "origin_region",
        "operator",
        "owner_region",
        "home_region",
    ),
)
