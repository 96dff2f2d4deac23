"""What happens to customers and their lines, one transaction each."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway import audit
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from gateway.timers import Timer, cancel_timer, set_timer
from region_node.auditing import AuditedCall
from region_node.billing import ledger
from region_node.billing.rules import OPENING, transfer
from region_node.customers.rows import (
    CustomerRow,
    Line,
    find_customer,
    find_line,
    insert_customer,
    insert_line,
    line_of,
    lines_after,
    update_customer,
    update_line,
)
from region_node.customers.states import note_state

SUSPENSION_TIMER = "suspension-end"


class NewCustomer:
    """A customer to take over, with the balance (minor units) that becomes the opening entry."""

    def __init__(self, customer: CustomerRow, line: Line, balance: int) -> None:
        self.customer = customer
        self.line = line
        self.balance = balance


def create(tx: Transaction, batch: Sequence[NewCustomer], currency: str, asked: AuditedCall) -> int:
    """Takes over customers, all or none; returns how many were new.

    Raises Refused with CUSTOMER_EXISTS where a number or customer id is taken by other content.
    """
    new = [each for each in batch if not _is_known(tx, each)]
    for each in new:
        insert_customer(tx, each.customer)
        insert_line(tx, each.line)
        _watch_suspension(tx, each.line)
        if each.balance:
            posting_id = f"{each.line.account_id}#opening"
            debit, credit = (OPENING, each.line.account_id) if each.balance > 0 else (each.line.account_id, OPENING)
            ledger.post(
                tx, transfer(posting_id, "opening", abs(each.balance), debit=debit, credit=credit), currency, asked.now
            )
    if new:
        subject = f"{new[0].customer.customer_id} and {len(new) - 1} more"
        asked.record(tx, "BatchCreateCustomers", subject)
    return len(new)


def read(tx: Transaction, number: str, asked: AuditedCall) -> tuple[CustomerRow, Line, int]:
    """A customer with line and balance; the reading is audited. Raises Refused with CUSTOMER_NOT_FOUND."""
    found = _require(tx, number)
    asked.record(tx, "GetCustomer", found[0].customer_id)
    return found


def read_page(tx: Transaction, after: str, limit: int, asked: AuditedCall) -> list[tuple[CustomerRow, Line, int]]:
    """At most `limit` customers after a customer id; the reading is audited."""
    lines = lines_after(tx, after, limit)
    asked.record(tx, "ListCustomers", after or "-", f"{len(lines)} read")
    return [_with_customer(tx, line) for line in lines]


def change(tx: Transaction, number: str, changes: dict[str, str], asked: AuditedCall) -> tuple[CustomerRow, Line, int]:
    """Changes name or email. Raises Refused with CUSTOMER_NOT_FOUND."""
    customer, line, balance = _require(tx, number)
    changed = replace(customer, **changes)
    if changed != customer:
        update_customer(tx, changed)
        fields = ", ".join(sorted(changes))
        asked.record(tx, "UpdateCustomer", customer.customer_id, fields)
    return changed, line, balance


def own_line(tx: Transaction, federation: Federation, region: str, number: str) -> Line:
    """The line with a number, if `region` is its home.

    Raises Moved where the number plan names another region, Refused with SUBSCRIPTION_NOT_FOUND where there is no such
    line.
    """
    line = find_line(tx, number)
    if line is not None:
        return line
    owner = federation.number_plan.home_of(number)
    if owner is not None and owner != region:
        raise Moved(owner)
    raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)


def keep_line(tx: Transaction, line: Line, now: datetime) -> None:
    """Stores a new or changed line and from when it is so; an agreed end of a suspension is watched by a timer."""
    before = line_of(tx, line.product_id)
    if before is None:
        insert_line(tx, line)
    else:
        update_line(tx, line)
    note_state(tx, before, line, now)
    _watch_suspension(tx, line)


def keep_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Stores a new or changed customer."""
    if find_customer(tx, customer.customer_id) is None:
        insert_customer(tx, customer)
    else:
        update_customer(tx, customer)


def _watch_suspension(tx: Transaction, line: Line) -> None:
    timer_id = f"{SUSPENSION_TIMER}/{line.product_id}"
    if line.suspension_end is not None:
        set_timer(tx, timer_id, kind=SUSPENSION_TIMER, subject=line.product_id, due=line.suspension_end)
    else:
        cancel_timer(tx, timer_id)


def suspension_has_ended(tx: Transaction, timer: Timer, now: datetime) -> None:
    """The agreed end of a suspension has come: the line is active again."""
    line = line_of(tx, timer.subject)
    if line is None or line.status != ProductStatus.PRODUCT_STATUS_SUSPENDED:
        return
    keep_line(tx, line.resumed(), now)
    audit.append(tx, now=now, actor="timer", action="SuspensionEnded", subject=line.product_id)


def _is_known(tx: Transaction, new: NewCustomer) -> bool:
    """True for a customer that is here with the same content. Raises Refused for other content."""
    line, customer = find_line(tx, new.line.number), find_customer(tx, new.customer.customer_id)
    if line is None and customer is None:
        return False
    same_line = line is not None and (line.customer_id, line.product_id) == (new.line.customer_id, new.line.product_id)
    if not same_line or customer != new.customer:
        raise Refused(Reason.REASON_CUSTOMER_EXISTS, number=new.line.number)
    return True


def _require(tx: Transaction, number: str) -> tuple[CustomerRow, Line, int]:
    line = find_line(tx, number)
    if line is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    return _with_customer(tx, line)


def _with_customer(tx: Transaction, line: Line) -> tuple[CustomerRow, Line, int]:
    customer = find_customer(tx, line.customer_id)
    if customer is None:
        raise ValueError(f"line {line.product_id} has no customer")
    return customer, line, ledger.balance(tx, line.account_id)
