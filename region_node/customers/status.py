"""The permitted use of a customer's data: all, storage alone, or none."""

from typing import NamedTuple

from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table

ACTIVE = CustomerStatus.CUSTOMER_STATUS_ACTIVE
RESTRICTED = CustomerStatus.CUSTOMER_STATUS_RESTRICTED
ERASED = CustomerStatus.CUSTOMER_STATUS_ERASED
MOVING = CustomerStatus.CUSTOMER_STATUS_MOVING
MOVED = CustomerStatus.CUSTOMER_STATUS_MOVED
_REASONS = {
    RESTRICTED: Reason.REASON_CUSTOMER_RESTRICTED,
    ERASED: Reason.REASON_CUSTOMER_ERASED,
    MOVING: Reason.REASON_CUSTOMER_MOVING,
    MOVED: Reason.REASON_CUSTOMER_MOVED,
}


class _Status(NamedTuple):
    customer_id: str
    status: CustomerStatus.ValueType


_STATUSES = Table("customers", _Status, key=("customer_id",))


def status_of(tx: Transaction, customer_id: str) -> CustomerStatus.ValueType | None:
    """The status of a customer; None for an unknown one."""
    found = tx.find(_STATUSES, customer_id)
    return None if found is None else found.status


def status_wanted(customer_id: str) -> Wanted:
    """The query of `status_of`, to be announced."""
    return row_wanted(_STATUSES, customer_id)


def keep_status(tx: Transaction, customer_id: str, status: CustomerStatus.ValueType) -> None:
    """Sets the status of a customer."""
    tx.execute("UPDATE customers SET status = :status WHERE customer_id = :id", id=customer_id, status=status)


def require_readable(tx: Transaction, customer_id: str) -> None:
    """Raises Refused unless a customer's data may be read and used.

    CUSTOMER_RESTRICTED, CUSTOMER_ERASED, CUSTOMER_MOVING or CUSTOMER_MOVED.
    """
    status = status_of(tx, customer_id)
    if status in _REASONS:
        raise Refused(_REASONS[status])


def require_at_home(tx: Transaction, customer_id: str) -> None:
    """Raises Refused with CUSTOMER_MOVING or CUSTOMER_MOVED for a customer who leaves the region, or has left it."""
    status = status_of(tx, customer_id)
    if status in (MOVING, MOVED):
        raise Refused(_REASONS[status])
