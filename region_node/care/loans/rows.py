"""Loans, as stored: the borrower is the origin, the lender owns them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.loan_pb2 import Loan, LoanState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.loans import rules
from region_node.records.listing import Page
from region_node.records.numbers import Numbers
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed

LOAN_SUBJECTS = "loan/"
KIND = "loan"
_NEVER = 2**62  # microseconds: the due time of a loan that nobody has to return
_EVERY = "1 = 1"


def loan_subject(loan_id: str) -> str:
    """The subject whose key seals a loan."""
    return LOAN_SUBJECTS + loan_id


@dataclass(frozen=True)
class LoanRow:
    """A loan and the trace of all its envelopes."""

    loan: Loan = field(repr=False)
    traceparent: str


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
_NUMBERS = Numbers("loans", "loan_number", purged="purged_loans")


@dataclass(frozen=True)
class LoanFilter:
    """A filter of loans; empty values restrict nothing."""

    states: Sequence[LoanState.ValueType] = ()
    due_before: datetime | None = None


def next_loan_number(tx: Transaction) -> int:
    """The number of the next loan that is requested here."""
    return _NUMBERS.next(tx)


def find_loan(tx: Transaction, loan_id: str) -> LoanRow | None:
    """This region's version of a loan; None also for an unreadable one."""
    return LOAN_RECORDS.find(tx, loan_id)


def require_loan(tx: Transaction, loan_id: str) -> LoanRow:
    """The loan as this region has it. Raises Refused with LOAN_NOT_FOUND."""
    return LOAN_RECORDS.require(tx, loan_id)


def insert_loan(tx: Transaction, row: LoanRow, loan_number: int, now: datetime) -> None:
    """Adds a loan."""
    loan = row.loan
    columns: dict[str, Value] = {
        **_changing(loan, now),
        "loan_number": loan_number,
        "origin_region": loan.origin_region,
        "operator": loan.operator,
        "number_index": "",
        "create_time": to_microseconds(from_timestamp(loan.create_time)),
        "traceparent": row.traceparent,
    }
    LOAN_RECORDS.insert(tx, loan.id, loan, columns)
    _NUMBERS.note(tx, loan_number)


def update_loan(tx: Transaction, loan: Loan, now: datetime) -> None:
    """Stores a changed loan."""
    LOAN_RECORDS.update(tx, loan.id, loan, _changing(loan, now))


def list_loans(tx: Transaction, wanted: LoanFilter, before: tuple[int, str] | None, limit: int) -> Page[Loan]:
    """At most `limit` loans, newest first, older than `before` (time of creation in microseconds, id)."""
    listed = LOAN_RECORDS.listed(shown=_EVERY)
    listed.in_states(wanted.states)
    listed.due_before(wanted.due_before)
    return LOAN_RECORDS.page(tx, listed, before, limit)


def _changing(loan: Loan, now: datetime) -> Mapping[str, Value]:
    return {
        "owner_region": loan.owner_region,
        "state": loan.state,
        "version": loan.version,
        "due_time": to_microseconds(from_timestamp(loan.end_time)) if rules.is_out(loan) else _NEVER,
        "changed": to_microseconds(now),
    }


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
