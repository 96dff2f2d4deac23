"""What may be done with a customer's data: all, storing alone, or nothing any more."""

from gateway.api.region.v1.erasure_service_pb2 import CustomerStanding
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction

ACTIVE = CustomerStanding.CUSTOMER_STANDING_ACTIVE
RESTRICTED = CustomerStanding.CUSTOMER_STANDING_RESTRICTED
ERASED = CustomerStanding.CUSTOMER_STANDING_ERASED


def standing_of(tx: Transaction, customer_id: str) -> CustomerStanding.ValueType | None:
    """How a customer stands; None for one who is not there."""
    return tx.first(
        CustomerStanding.ValueType, "SELECT standing FROM customers WHERE customer_id = :id", id=customer_id
    )


def keep_standing(tx: Transaction, customer_id: str, standing: CustomerStanding.ValueType) -> None:
    """The customer stands so from now on."""
    tx.execute("UPDATE customers SET standing = :standing WHERE customer_id = :id", id=customer_id, standing=standing)


def require_readable(tx: Transaction, customer_id: str) -> None:
    """Raises Refused with CUSTOMER_RESTRICTED or CUSTOMER_ERASED unless a customer's data may be read and used."""
    standing = standing_of(tx, customer_id)
    if standing == RESTRICTED:
        raise Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    if standing == ERASED:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
