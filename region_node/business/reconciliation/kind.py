"""Registration of reconciliation for retention.

Days, differences and repairs name serials and nobody. Copies of records are sealed under the subjects of the records.
"""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from region_node.business.reconciliation.repair_rows import forget_repairs
from region_node.business.reconciliation.rows import forget_before
from region_node.records.kinds import RecordKind, RetentionPort

KEPT = timedelta(days=3 * 366)  # as evidence of what both regions had, until their claims lapse


def _forget(tx: Transaction, now: datetime) -> None:
    oldest = now - KEPT
    forget_before(tx, f"{oldest.date()}")
    forget_repairs(tx, oldest)


RECONCILIATIONS = RecordKind("reconciliation", retention=RetentionPort(forget=_forget))
