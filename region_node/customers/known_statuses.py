"""The status of numbers' customers: from the own records, and from other regions' reports."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.batched_lookup import rows_among
from gateway.store.port import Transaction
from gateway.store.tables import Table
from region_node.customers.status import ACTIVE, ERASED, MOVED, MOVING, RESTRICTED
from region_node.node.subjects import number_index

OWN = ""
"""In the place of a region: this one."""
_STATUSES = (
    "SELECT number_index, region, status FROM ("
    "SELECT products.number AS number_index, '' AS region, customers.status FROM products"
    " JOIN customers ON customers.customer_id = products.customer_id WHERE customers.status <> 1"
    " UNION ALL SELECT number_index, region, status FROM known_statuses"
    ") AS known WHERE number_index"
)
NOT_RESTRICTED = (
    "number_index NOT IN (SELECT number_index FROM known_statuses WHERE status = 2)"
    " AND number_index NOT IN (SELECT products.number FROM products"
    " JOIN customers ON customers.customer_id = products.customer_id"
    " WHERE customers.status <> 1 AND customers.status = 2 AND products.number IS NOT NULL)"
)
"""A condition on a column `number_index`."""


class KnownStatus(NamedTuple):
    """The status of a number's customer who is not active, with the reporting region; `OWN` for this one."""

    number_index: str
    region: str
    status: CustomerStatus.ValueType


_KNOWN = Table("known_statuses", KnownStatus, key=("number_index", "region"))


def keep_known(tx: Transaction, number: str, region: str, status: CustomerStatus.ValueType) -> None:
    """Stores another region's status of its customer of a number."""
    index = number_index(tx, number)
    if status == ACTIVE:
        tx.remove(_KNOWN, index, region)
    else:
        tx.keep(_KNOWN, KnownStatus(index, region, status))


def has_restrictions(tx: Transaction) -> bool:
    """Whether any other region has reported a restricted customer."""
    sql = "SELECT 1 FROM known_statuses WHERE status = :status LIMIT 1"
    return tx.first(int, sql, status=RESTRICTED) is not None


def forget_restrictions(tx: Transaction, homes: Mapping[str, str | None]) -> int:
    """Removes what regions have reported of restricted customers whose home they are not any more; returns the count.

    `homes` has the present home of each number, which alone restricts its customer: a former one cannot lift it.
    """
    numbers = {number_index(tx, each): each for each in homes}
    stale = [
        each
        for each in rows_among(tx, KnownStatus, _STATUSES, list(numbers))
        if each.status == RESTRICTED and each.region not in (OWN, homes[numbers[each.number_index]])
    ]
    for each in stale:
        tx.remove(_KNOWN, each.number_index, each.region)
    return len(stale)


def forget_erased(tx: Transaction, index: str, region: str) -> int:
    """Removes another region's report of the erased customer of the number with an index. Returns 0 without one."""
    return tx.execute(
        "DELETE FROM known_statuses WHERE number_index = :index AND region = :region AND status = :erased",
        index=index,
        region=region,
        erased=ERASED,
    )


def statuses_of(tx: Transaction, numbers: Sequence[str]) -> Sequence[KnownStatus]:
    """The known statuses of numbers, E.164, without active customers."""
    indexes = [number_index(tx, each) for each in dict.fromkeys(numbers) if each]
    return rows_among(tx, KnownStatus, _STATUSES, indexes)


def erased_by(tx: Transaction, number: str) -> set[str]:
    """The regions that have erased a customer with a number; `OWN` for this one."""
    return {each.region for each in statuses_of(tx, [number]) if each.status == ERASED}


def is_restricted(tx: Transaction, number: str) -> bool:
    """Whether the customer of a number is stored and nothing else."""
    return _restricts(statuses_of(tx, [number]))


def require_unrestricted(tx: Transaction, number: str) -> Sequence[KnownStatus]:
    """The known statuses of a number.

    Raises Refused with CUSTOMER_RESTRICTED where its customer is stored and nothing else.
    """
    known = statuses_of(tx, [number])
    if _restricts(known):
        raise Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    return known


def _restricts(known: Sequence[KnownStatus]) -> bool:
    return any(each.status == RESTRICTED for each in known)


def require_takes_complaints(home: str | None, known: Sequence[KnownStatus]) -> None:
    """Raises Refused unless a new complaint about a number with a home may be accepted, by the known status.

    With CUSTOMER_RESTRICTED, with CUSTOMER_MOVING or CUSTOMER_ERASED at home, and elsewhere with
    SUBSCRIPTION_NOT_FOUND: other regions must not learn of the erasure. The current home of a ported number counts.
    """
    for each in known:
        if each.status == RESTRICTED:
            raise Refused(Reason.REASON_CUSTOMER_RESTRICTED)
        if each.region == OWN and each.status == MOVING:
            raise Refused(Reason.REASON_CUSTOMER_MOVING)
        if each.region == OWN and each.status != MOVED:  # who has moved is a customer of another region
            raise Refused(Reason.REASON_CUSTOMER_ERASED)
        if each.region == home:
            raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
