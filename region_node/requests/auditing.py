"""The caller of a request in the audit chain: the system by its certificate, and the person behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.types.v1.types_pb2 import Requester
from gateway.auditing import audit
from gateway.rpc.calls import current_call
from gateway.security.peers import Certificates
from gateway.store.port import Transaction
from gateway.time.clock import Clock
from region_node.node.rules import OF_STAFF
from region_node.requests.checks import require_reader
from region_node.requests.dealings import Dealer


@dataclass(frozen=True)
class AuditedCall:
    """A call with an audit row in the transaction of its effect or read."""

    actor: str
    staff_id: str
    now: datetime
    proof: str = ""
    """The proven member of staff, as `Call.proof`; empty without a proof."""
    certificates: Certificates = field(default=(), repr=False, compare=False)
    """Of the proven member of staff, as `Call.staff_certificates`."""

    @property
    def person(self) -> str:
        """The person behind the call, as the row names them."""
        return self.proof or f"staff {self.staff_id}"

    @property
    def proven(self) -> str:
        """The name of the proven member of staff: of the certificate of the call, or of a proof; empty without one."""
        _, _, role, name = self.actor.split("/")
        if role == "staff":
            return name
        return self.staff_id if self.proof else ""

    @property
    def dealer(self) -> Dealer:
        """The caller in a region, for whom dealings with lines are counted."""
        _, region, role, name = self.actor.split("/")
        return Dealer(region, f"{OF_STAFF}{name}" if role == "staff" else name, self.staff_id)

    def record(self, tx: Transaction, action: str, subject: str, what: str = "") -> None:
        """Adds the row. `what` carries no personal data."""
        detail = f"{self.person}, {what}" if what else self.person
        audit.append(tx, now=self.now, actor=self.actor, action=action, subject=subject, detail=detail)

    def record_each(self, tx: Transaction, action: str, subjects: Sequence[str]) -> None:
        """Adds a row for each of many subjects with the same action."""
        audit.append_each(tx, now=self.now, actor=self.actor, action=action, subjects=subjects, detail=self.person)


def audited_call(requester: Requester, clock: Clock) -> AuditedCall:
    """The call being served. Raises Refused where an operator system does not name the person."""
    call = current_call()
    staff_id = require_reader(call.identity, requester)
    return AuditedCall(call.identity.path, staff_id, clock.now(), call.proof, call.staff_certificates)


def reading_requester(told: Requester) -> Requester:
    """The requester of the call being served: for staff the name in their certificate.

    Raises Refused where an operator system names nobody.
    """
    return Requester(staff_id=require_reader(current_call().identity, told), channel=told.channel)
