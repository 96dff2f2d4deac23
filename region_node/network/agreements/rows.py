"""Agreements and statements as stored: sealed under the customer's key. Erased customers have none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.node.subjects import customer_subject
from region_node.records.numbers import Numbers

_COLUMNS = "agreement_id, agreement_number, customer_id, body"
_READABLE = "customer_id NOT IN (SELECT customer_id FROM customers WHERE status <> 1)"


@dataclass(frozen=True)
class _AtRest:
    agreement_id: str
    agreement_number: int
    customer_id: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Numbered:
    """An agreement and its number, which orders lists; the agreement is None where it cannot be opened."""

    number: int
    agreement_id: str
    agreement: Agreement | None = field(repr=False)


NUMBERS = Numbers("agreements", "agreement_number")


def next_agreement_number(tx: Transaction) -> int:
    """The number of the next agreement of this region."""
    return NUMBERS.next(tx)


def insert_agreement(tx: Transaction, agreement: Agreement, number: int) -> None:
    """Adds an agreement."""
    tx.execute(
        "INSERT INTO agreements (agreement_id, agreement_number, customer_id, product_id, service, start_time,"
        " end_time, body) VALUES (:id, :number, :customer, :product, :service, :start, :end, :body)",
        id=agreement.id,
        number=number,
        customer=agreement.customer_id,
        product=agreement.product_id,
        service=agreement.service,
        start=to_microseconds(from_timestamp(agreement.start_time)),
        end=to_microseconds(from_timestamp(agreement.end_time)) if agreement.HasField("end_time") else None,
        body=_sealed(tx, agreement),
    )


def end_agreement(tx: Transaction, agreement: Agreement) -> None:
    """Stores when an agreement ends."""
    tx.execute(
        "UPDATE agreements SET end_time = :end, body = :body WHERE agreement_id = :id",
        id=agreement.id,
        end=to_microseconds(from_timestamp(agreement.end_time)),
        body=_sealed(tx, agreement),
    )


def keep_ends(tx: Transaction, found: Iterable[Numbered]) -> None:
    """Stores the ends that agreements have by their content alone: former versions took moved ones over so."""
    agreements = [each.agreement for each in found if each.agreement is not None]
    rows: Sequence[dict[str, Value]] = [
        {"id": each.id, "end": to_microseconds(from_timestamp(each.end_time))}
        for each in agreements
        if each.HasField("end_time")
    ]
    tx.execute_many("UPDATE agreements SET end_time = :end WHERE agreement_id = :id AND end_time IS NULL", rows)


def find_agreement(tx: Transaction, agreement_id: str) -> Agreement | None:
    """An agreement; None for a missing one, or after the erasure of its customer."""
    found = tx.all(_AtRest, f"SELECT {_COLUMNS} FROM agreements WHERE agreement_id = :id", id=agreement_id)  # noqa: S608
    return next((each.agreement for each in _opened(tx, found)), None)


def require_agreement(tx: Transaction, agreement_id: str) -> Agreement:
    """An agreement. Raises Refused with AGREEMENT_NOT_FOUND."""
    found = find_agreement(tx, agreement_id)
    if found is None:
        raise Refused(Reason.REASON_AGREEMENT_NOT_FOUND, agreement=agreement_id)
    return found


def in_force(tx: Transaction, product_id: str, service: str, start: datetime) -> str | None:
    """The id of the agreement of a line on a service that has not ended before a time."""
    return next((each.id for each in running_of(tx, product_id, start) if each.service == service), None)


def running_of(tx: Transaction, product_id: str, moment: datetime) -> list[Agreement]:
    """The agreements of a line that have not ended at a moment, by id."""
    found = _opened(
        tx,
        tx.all(
            _AtRest,
            f"SELECT {_COLUMNS} FROM agreements WHERE product_id = :product"  # noqa: S608 - column names only
            " AND (end_time IS NULL OR end_time > :moment) ORDER BY agreement_id",
            product=product_id,
            moment=to_microseconds(moment),
        ),
    )
    # Former versions stored moved agreements without their end in the column; `keep_ends` does not come at once.
    return [each.agreement for each in found if each.agreement is not None and not _has_ended(each.agreement, moment)]


def _has_ended(agreement: Agreement, moment: datetime) -> bool:
    """Whether an agreement ends by a moment, or never begins since its end came first."""
    end = from_timestamp(agreement.end_time)
    return agreement.HasField("end_time") and end <= max(moment, from_timestamp(agreement.start_time))


def running_after(tx: Transaction, start: datetime, end: datetime, after: str, limit: int) -> list[Numbered]:
    """At most `limit` agreements that run at some time from `start` up to `end`, by id, after one."""
    return _opened(
        tx,
        tx.all(
            _AtRest,
            f"SELECT {_COLUMNS} FROM agreements WHERE agreement_id > :after AND start_time < :end"  # noqa: S608
            " AND (end_time IS NULL OR end_time > :start) ORDER BY agreement_id LIMIT :limit",
            after=after,
            start=to_microseconds(start),
            end=to_microseconds(end),
            limit=limit,
        ),
    )


def on_service_after(tx: Transaction, service: str, after: str, limit: int) -> list[Numbered]:
    """At most `limit` agreements on a service, by id, after one."""
    return _opened(
        tx,
        tx.all(
            _AtRest,
            f"SELECT {_COLUMNS} FROM agreements WHERE service = :service AND agreement_id > :after"  # noqa: S608
            " ORDER BY agreement_id LIMIT :limit",
            service=service,
            after=after,
            limit=limit,
        ),
    )


def list_agreements(
    tx: Transaction, product_id: str | None, service: str, before: int | None, limit: int
) -> list[Numbered]:
    """At most `limit` agreements, newest first, older than a number; of a line or on a service where given.

    Those of restricted customers are left out.
    """
    conditions, parameters = [_READABLE], dict[str, Value](limit=limit)
    for column, value in (("product_id", product_id), ("service", service or None)):
        if value is not None:
            conditions.append(f"{column} = :{column}")
            parameters[column] = value
    if before is not None:
        conditions.append("agreement_number < :before")
        parameters["before"] = before
    found = tx.all(
        _AtRest,
        f"SELECT {_COLUMNS} FROM agreements WHERE {' AND '.join(conditions)}"  # noqa: S608 - no values
        " ORDER BY agreement_number DESC LIMIT :limit",
        **parameters,
    )
    return _opened(tx, found)


def insert_statement(tx: Transaction, customer_id: str, statement: AgreementStatement, now: datetime) -> None:
    """Adds a revision of a statement. A repeat is a defect, and fails the transaction."""
    sealed = vault.seal(tx, customer_subject(customer_id), _statement_place(statement), statement.SerializeToString())
    tx.execute(
        "INSERT INTO agreement_statements (agreement_id, month, revision, create_time, body)"
        " VALUES (:id, :month, :revision, :time, :body)",
        id=statement.agreement_id,
        month=statement.month,
        revision=statement.revision,
        time=to_microseconds(now),
        body=sealed,
    )


def find_statement(tx: Transaction, agreement: Agreement, month: str, revision: int = 0) -> AgreementStatement | None:
    """A revision of the statement of a month; the latest for 0."""
    found = tx.first(
        _Body,
        "SELECT revision, body FROM agreement_statements WHERE agreement_id = :id AND month = :month"
        " AND (:revision = 0 OR revision = :revision) ORDER BY revision DESC LIMIT 1",
        id=agreement.id,
        month=month,
        revision=revision,
    )
    if found is None:
        return None
    place = AgreementStatement(agreement_id=agreement.id, month=month, revision=found.revision)
    content = vault.open_sealed(tx, customer_subject(agreement.customer_id), _statement_place(place), found.body)
    return AgreementStatement.FromString(content)


@dataclass(frozen=True)
class _Body:
    revision: int
    body: bytes = field(repr=False)


def _statement_place(statement: AgreementStatement) -> str:
    return f"agreement_statements/{statement.agreement_id}/{statement.month}/{statement.revision}"


def _place(agreement_id: str) -> str:
    return f"agreements/{agreement_id}"


def _sealed(tx: Transaction, agreement: Agreement) -> bytes:
    subject = customer_subject(agreement.customer_id)
    return vault.seal(tx, subject, _place(agreement.id), agreement.SerializeToString())


def _opened(tx: Transaction, rows: Sequence[_AtRest]) -> list[Numbered]:
    contents = vault.open_many(
        tx, [vault.Sealing(customer_subject(row.customer_id), _place(row.agreement_id), row.body) for row in rows]
    )
    return [
        Numbered(row.agreement_number, row.agreement_id, None if each is None else Agreement.FromString(each))
        for row, each in zip(rows, contents, strict=True)
    ]
