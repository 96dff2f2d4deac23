"""The caller of a request in the audit chain: the system by its certificate, and the person behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.types.v1.types_pb2 import Requester
from gateway.auditing import audit
from gateway.rpc.calls import current_call
from gateway.store.port import Transaction
from gateway.time.clock import Clock
from region_node.requests.checks import require_reader


@dataclass(frozen=True)
class AuditedCall:
    """A call with an audit row in the transaction of its effect or read."""

    actor: str
    staff_id: str
    now: datetime

    def record(self, tx: Transaction, action: str, subject: str, what: str = "") -> None:
        """Adds the row. `what` carries no personal data."""
        detail = f"staff {self.staff_id}, {what}" if what else f"staff {self.staff_id}"
        audit.append(tx, now=self.now, actor=self.actor, action=action, subject=subject, detail=detail)

    def record_each(self, tx: Transaction, action: str, subjects: Sequence[str]) -> None:
        """Adds a row for each of many subjects with the same action."""
        detail = f"staff {self.staff_id}"
        audit.append_each(tx, now=self.now, actor=self.actor, action=action, subjects=subjects, detail=detail)


def audited_call(requester: Requester, clock: Clock) -> AuditedCall:
    """The call being served. Raises Refused where an operator system does not name the person."""
    identity = current_call().identity
    return AuditedCall(identity.path, require_reader(identity, requester), clock.now())
