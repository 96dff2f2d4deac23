"""The only place where kinds of records register with the functions for all of them."""

from collections.abc import Sequence

from gateway.relay import at_rest
from region_node.business.billing.kind import ACCOUNTS
from region_node.business.joint.kind import JOINT_ORDERS
from region_node.business.orders.kind import ORDERS
from region_node.care.complaints.kind import COMPLAINTS
from region_node.care.complaints.of_problems import complaints_of
from region_node.customers.documents.kind import DOCUMENTS
from region_node.customers.kind import CUSTOMERS
from region_node.customers.notices.kind import NOTICES
from region_node.customers.sharing.kind import SHARING
from region_node.customers.verification.kind import VERIFICATIONS
from region_node.lifecycle.registry import Registry
from region_node.network.agreements.announced import tell_announced
from region_node.network.agreements.kind import AGREEMENTS
from region_node.network.faults.kind import FAULTS
from region_node.network.faults.owner import follow_problem, leave_problem
from region_node.network.measurements.kind import MEASUREMENTS
from region_node.network.problems.kind import LINE_SERVICES
from region_node.network.problems.port import Evidence, ProblemPorts
from region_node.network.support.kind import SUPPORT_REQUESTS
from region_node.node.context import RegionContext
from region_node.records.kinds import ErasurePort, RecordKind
from region_node.requests.importing.progress import forget_rejections, seal_clear_rejections
from region_node.requests.rows import seal_clear_requests

KINDS: Sequence[RecordKind] = (
    CUSTOMERS,
    ORDERS,
    JOINT_ORDERS,
    COMPLAINTS,
    ACCOUNTS,
    AGREEMENTS,
    FAULTS,
    SUPPORT_REQUESTS,
    NOTICES,
    SHARING,
    DOCUMENTS,
    VERIFICATIONS,
    LINE_SERVICES,
    MEASUREMENTS,
    RecordKind("request", row_migrations={"requests": seal_clear_requests}),
    RecordKind(
        "import",
        ErasurePort(forget={"number": forget_rejections}),
        row_migrations={"import_rejections": seal_clear_rejections},
    ),
    RecordKind("envelope", row_migrations={"outbox and inbox": at_rest.seal_clear_page}),
)
"""Every kind, in the order in which its records are checked before an erasure, purged, and migrated at the start."""

PROBLEMS = ProblemPorts(
    evidence={FAULTS.name: Evidence(follow_problem, leave_problem)},
    line_bound=tell_announced,
    complaints_of=complaints_of,
)
"""The kinds of records behind network problems."""


def registry(context: RegionContext) -> Registry:
    """Every kind of record of a region."""
    return Registry(context, KINDS)
