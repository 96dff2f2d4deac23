"""The registration of bulletins for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.care.bulletins import rules
from region_node.care.bulletins.rows import BULLETIN, KIND, forget_reads
from region_node.tickets.kind import TicketKind

BULLETINS = TicketKind(
    KIND,
    BULLETIN,
    counter="bulletin_number",
    purged="purged_bulletins",
    ended={rules.PUBLISHED, rules.WITHDRAWN},
    changed=("bulletins", "end_time"),
    forget=forget_reads,
).registered(DataClass.DATA_CLASS_BULLETINS)
