"""Loans, as stored: the borrower is the origin, the lender owns them."""

from collections.abc import Mapping

from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.loans import rules
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed
from region_node.tickets.rows import TicketRow, TicketRows

LOAN_SUBJECTS = "loan/"
KIND = "loan"
_NEVER = 2**62  # microseconds: the due time of a loan that nobody has to return


def loan_subject(loan_id: str) -> str:
    """The subject whose key seals a loan."""
    return LOAN_SUBJECTS + loan_id


LoanRow = TicketRow[Loan]
LOAN_RECORDS = Records(
    table="loans",
    key="loan_id",
    dated="create_time",
    fixed=("loan_id", "loan_number", "origin_region", "operator", "number_index", "create_time"),
    changing=("owner_region", "state", "version", "due_time", "changed"),
    message=Loan,
    row=LoanRow,
    subject=loan_subject,
    not_found=lambda loan_id: Refused(Reason.REASON_LOAN_NOT_FOUND, loan=loan_id),
)


def _due(loan: Loan) -> Mapping[str, Value]:
    return {"due_time": to_microseconds(from_timestamp(loan.end_time)) if rules.is_out(loan) else _NEVER}


def facts(loan: Loan) -> Facts:
    """The regions with a part in a loan."""
    return Facts(
        name=loan.id,
        origin=loan.origin_region,
        owner=loan.owner_region,
        operator=loan.operator,
        version=loan.version,
        state=loan.state,
        created=loan.create_time,
        number="",
        home="",
    )


LOAN = Followed(
    records=LOAN_RECORDS,
    facts=facts,
    prefix="L",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    fixed=("id", "request", "create_time", "origin_region", "operator", "owner_region"),
    require_plausible=rules.require_plausible,
)
LOAN_ROWS = TicketRows(LOAN, counter="loan_number", purged="purged_loans", changing=_due)
