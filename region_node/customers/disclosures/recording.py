"""Other regions' queries about a customer outside of shared records, noted for the customer with the answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from google.protobuf.message import Message

from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting, reason_name
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure
from region_node.customers.rows import find_line
from region_node.customers.status import RESTRICTED, status_of
from region_node.customers.verification.bounds import require_few_unknown
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_requester
from region_node.requests.dealings import Dealer, count_failure, count_line


def noted_answer(
    tx: Transaction,
    context: RegionContext,
    shown: Shown,
    asked: DisclosureRow,
    read: Callable[[], Message],
) -> Answer:
    """The answer to another region's query about one of this region's customers, noted in its transaction.

    It is counted as a dealing with the line, unless the customer has proven it, or as a failure. A dealer that has
    named too many unknown numbers, and shows no proof of the customer, is refused before anything is read or written.

    A lasting refusal is noted too, and is therefore returned and not raised. A refusal of the form is raised, since
    nothing was read. `read` raises Refused before it writes. Raises Refused for answers that are not noted, and Moved.
    """
    try:
        require_few_unknown(tx, context, _dealer(asked), shown, asked.time)
    except Refused as refused:
        return Answer(Outcome.OUTCOME_REFUSED, reason=refused.reason, parameters=refused.parameters)
    try:
        answer = Answer(Outcome.OUTCOME_ACCEPTED, result=read().SerializeToString())
    except Refused as refused:
        if refused.reason == Reason.REASON_REQUEST_INVALID:
            raise
        last = lasting(refused)
        answer = Answer(Outcome.OUTCOME_REFUSED, reason=last.reason, parameters=last.parameters)
    note(tx, shown.number, replace(asked, refused=answer.reason))
    count(tx, asked, refused=answer.reason, is_proven=shown.is_proven)
    return answer


def count(tx: Transaction, asked: DisclosureRow, *, refused: Reason.ValueType, is_proven: bool = False) -> None:
    """Counts a reading as a dealing with a line, or as a failure with the reason of its refusal."""
    if refused:
        count_failure(tx, _dealer(asked), asked.time, refused)
    elif not is_proven:
        count_line(tx, _dealer(asked), asked.time)


def _dealer(asked: DisclosureRow) -> Dealer:
    return Dealer(asked.region, asked.operator, asked.particulars.requester.staff_id)


def agreed_answer(
    tx: Transaction,
    context: RegionContext,
    action: str,
    shown: Shown,
    asked: DisclosureRow,
    read: Callable[[], Message],
) -> Answer:
    """`noted_answer` while both regions have a data agreement in force; else nothing is read.

    Without an agreement every query is refused with DATA_AGREEMENT_MISSING, and `action` is audited as denied.
    """

    def read_if_agreed() -> Message:
        missing = context.federation.without_agreement((asked.region, context.region), asked.time)
        if not missing:
            return read()
        requester, refused = asked.particulars.requester, Reason.REASON_DATA_AGREEMENT_MISSING
        require_requester(requester)
        line, path = find_line(tx, shown.number), Questioner.of_caller(asked.region, asked.operator).path
        subject = "-" if line is None else line.customer_id
        AuditedCall(path, requester.staff_id, asked.time).record(tx, action, subject, reason_name(refused))
        raise Refused(refused, region=missing)

    return noted_answer(tx, context, shown, asked, read_if_agreed)


@dataclass(frozen=True)
class Sent:
    """A record about a customer that leaves this region: its id, its sender, its destination."""

    kind: DisclosureKind.ValueType
    record: str
    region: str
    operator: str


def note_sent(tx: Transaction, number: str, sent: Sent, now: datetime) -> None:
    """Notes for the customer with a number, if there is one here, that a record of theirs left this region."""
    line = find_line(tx, number)
    if line is None:
        return
    row = DisclosureRow(
        kind=sent.kind,
        time=now,
        region=sent.region,
        operator=sent.operator,
        purpose="",
        particulars=DisclosureParticulars(record_id=sent.record),
    )
    note_disclosure(tx, line, row)


def note(tx: Transaction, number: str, row: DisclosureRow) -> None:
    """Adds a row for the customer with a number, if there is one.

    Data of a restricted customer is never disclosed, so there is no row. Other regions get the empty list of an unknown
    number.
    """
    line = find_line(tx, number)
    if line is None:
        return
    if not row.refused and status_of(tx, line.customer_id) == RESTRICTED:
        row = replace(row, refused=Reason.REASON_CUSTOMER_RESTRICTED)
    note_disclosure(tx, line, row)
