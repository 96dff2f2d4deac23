"""Support requests, as stored.

The region that opens one is its origin, the region at fault owns it.
"""

from datetime import datetime

from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.customers.erased_numbers import look_if_erased
from region_node.customers.known_statuses import NOT_RESTRICTED
from region_node.network.support import rules
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed
from region_node.tickets.rows import TicketRow, TicketRows

SUPPORT_SUBJECTS = "support/"
KIND = "support"


def support_subject(support_id: str) -> str:
    """The subject whose key seals a support request."""
    return SUPPORT_SUBJECTS + support_id


SupportRow = TicketRow[SupportRequest]
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


def _look_if_erased(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    """A closed request of an erased customer is checked for erasure."""
    if rules.is_ended(request):
        look_if_erased(tx, KIND, request.id, request.inquiry.number, now)


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
SUPPORT_ROWS = TicketRows(
    SUPPORT,
    counter="support_number",
    purged="purged_support_requests",
    written=_look_if_erased,
    shown=NOT_RESTRICTED,
)
