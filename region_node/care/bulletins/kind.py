"""The registration of bulletins for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer
from region_node.care.bulletins import rules
from region_node.care.bulletins.reminding import BULLETIN_TIMER
from region_node.care.bulletins.rows import BULLETIN, KIND, forget_reads
from region_node.care.escalations.rows import remove_notices
from region_node.tickets.kind import TicketKind


def _forget(tx: Transaction, bulletin_id: str) -> None:
    forget_reads(tx, bulletin_id)
    remove_notices(tx, bulletin_id)
    cancel_timer(tx, f"{BULLETIN_TIMER}/{bulletin_id}")


BULLETINS = TicketKind(
    KIND,
    BULLETIN,
    counter="bulletin_number",
    purged="purged_bulletins",
    ended={rules.PUBLISHED, rules.WITHDRAWN},
    changed=("bulletins", "end_time"),
    forget=_forget,
).registered(DataClass.DATA_CLASS_BULLETINS)
