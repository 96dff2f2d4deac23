"""Readings by legal duty at the home region of the customers: the proofs of both people, and the limit of a day."""

from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import Feature
from gateway.api.region.v1.sharing_service_pb2 import ReadSharedCustomerRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.body import LEGAL_DUTY_READINGS
from gateway.security.duty_statements import DutyProofs, DutyReading, DutyStatements, DutyVerifier
from gateway.store.port import Transaction
from region_node.customers.disclosures.daily_limits import DailyLimit
from region_node.customers.sharing.rules import Denied
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner

DUTY_LIMIT = DailyLimit(
    LEGAL_DUTY_READINGS,
    Reason.REASON_LEGAL_DUTY_LIMIT_REACHED,
    "duty_readings",
    "AlertOfDutyReadings",
    asks_proofs=True,
)


def over_limit(tx: Transaction, context: RegionContext, reader: str, now: datetime, *, proven: bool) -> Denied | None:
    """Counts a reading by legal duty of another region; returns the denial beyond its limit of the day."""
    refused = DUTY_LIMIT.reached(tx, context, reader, now)
    DUTY_LIMIT.count(tx, context, reader, now, denied=refused is not None, proven=proven)
    return None if refused is None else Denied(refused.reason, parameters=refused.parameters)


def proofs_of(
    context: RegionContext, asked: ReadSharedCustomerRequest, questioner: Questioner, now: datetime
) -> DutyProofs | None:
    """The proofs of both people of another region who read by legal duty.

    None where a statement is missing and the version of that region promises none.

    Raises Refused with LEGAL_DUTY_UNPROVEN where the version promises both, as `DutyVerifier.proofs`, and with
    STAFF_DIFFERS where the requester is another person than the first one.
    """
    missing = next((each for each in ("statement", "approver_statement") if not getattr(asked, each)), None)
    if missing is not None:
        if context.border.current.understands(questioner.region, Feature.FEATURE_DUTY_STATEMENTS):
            raise Refused(Reason.REASON_LEGAL_DUTY_UNPROVEN, field=missing, region=questioner.region)
        return None
    verifier = DutyVerifier(questioner.region, context.border.keys.revocations, now)
    reading = DutyReading(asked.number, asked.purpose, asked.reference, questioner.operator)
    statements = DutyStatements(asked.statement, asked.approver_statement)
    proofs = verifier.proofs(reading, asked.approver_staff_id, statements)
    named, proven = asked.requester.staff_id, proofs.first.staff_id
    if named != proven:
        raise Refused(Reason.REASON_STAFF_DIFFERS, field="requester.staff_id", staff_id=named, proven=proven)
    return proofs
