"""The registration of support requests for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.network.support import rules
from region_node.network.support.rows import KIND, SUPPORT
from region_node.tickets.kind import TicketKind

SUPPORT_REQUESTS = TicketKind(
    KIND,
    SUPPORT,
    counter="support_number",
    purged="purged_support_requests",
    ended={rules.CLOSED},
    changed=("support_requests", "changed"),
).registered(DataClass.DATA_CLASS_SUPPORT_REQUESTS)
