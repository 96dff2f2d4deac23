"""Operations on customers and their lines, one transaction each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences, ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, REFUNDS_DUE, EntryKind, Posting, transfer
from region_node.customers.contact_preferences import keep_preferences, preferences_of
from region_node.customers.events import note_attributes, note_changed_line, note_new_lines
from region_node.customers.listed_lines import lines_after
from region_node.customers.moved_numbers import has_moved, home_elsewhere, is_home_of
from region_node.customers.other_contacts.notices import notify_of_change
from region_node.customers.other_contacts.rows import keep_other_contacts, other_contacts
from region_node.customers.other_contacts.rules import OtherContact, Wanted, change_contacts
from region_node.customers.rows import (
    CustomerRow,
    Line,
    customer_numbered,
    customers_of,
    find_customer,
    find_line,
    insert_customer,
    insert_customers,
    insert_line,
    insert_lines,
    line_at_rest,
    line_of,
    update_customer,
    update_line,
)
from region_node.customers.states import note_state
from region_node.customers.status import MOVED, require_readable, status_of
from region_node.customers.subscriptions import Subscription, insert_subscriptions, subscriptions_of
from region_node.customers.taking_over import NewCustomer, Registered
from region_node.requests.auditing import AuditedCall

SUSPENSION_TIMER = "suspension-end"


@dataclass(frozen=True)
class KnownCustomer:
    """A customer with one line.

    It has the account's balance (minor units), the line's subscriptions besides its plan, and other contacts.
    """

    customer: CustomerRow
    line: Line
    balance: int
    subscriptions: Sequence[Subscription]
    other_contacts: Sequence[OtherContact] = ()


def create(
    tx: Transaction,
    batch: Sequence[NewCustomer],
    currency: str,
    asked: AuditedCall,
    require_new: Callable[[Line], None] = lambda _: None,
) -> int:
    """Migrates customers, all or none; returns the number of new ones.

    `require_new` as for `Registered`. Raises Refused as `Registered.admits`.
    """
    registered = Registered(tx, batch, require_new)
    new = [each for each in batch if registered.admits(each)]
    take_over(tx, new, currency, asked.now)
    if new:
        subject = f"{new[0].customer.customer_id} and {len(new) - 1} more"
        asked.record(tx, "BatchCreateCustomers", subject)
    return len(new)


def take_over(tx: Transaction, new: Sequence[NewCustomer], currency: str, now: datetime) -> None:
    """Stores customers that `Registered` has admitted, with their lines and opening entries."""
    insert_customers(tx, [each.customer for each in new])
    insert_lines(tx, [each.line for each in new], now, [each.digest for each in new])
    note_new_lines(tx, [each.line for each in new], now)
    insert_subscriptions(tx, [subscription for each in new for subscription in each.subscriptions])
    ledger.post_all(tx, [_opening(each) for each in new if each.balance], currency, now)
    for each in new:
        take_over_contacts(tx, each, now)
        if each.line.suspension_end is not None:
            _watch_suspension(tx, each.line)


def take_over_contacts(tx: Transaction, new: NewCustomer, now: datetime) -> None:
    """Stores the other contacts of a new customer; those without a time get codes from now on."""
    if new.other_contacts:
        contacts = [OtherContact(number, effective or now) for number, effective in new.other_contacts]
        keep_other_contacts(tx, new.customer.customer_id, contacts)


def read(tx: Transaction, number: str, asked: AuditedCall) -> KnownCustomer:
    """A customer with line and balance; the reading is audited.

    Raises Refused with CUSTOMER_NOT_FOUND, CUSTOMER_RESTRICTED or CUSTOMER_ERASED.
    """
    found = _require(tx, number)
    asked.record(tx, "GetCustomer", found.customer.customer_id)
    return found


def number_of(tx: Transaction, product_id: str) -> str:
    """The number of the line with an id. Raises Refused with CUSTOMER_NOT_FOUND, CUSTOMER_MOVED or CUSTOMER_ERASED."""
    line = line_of(tx, product_id)
    if line is None:
        is_erased = line_at_rest(tx, product_id) is not None
        raise Refused(Reason.REASON_CUSTOMER_ERASED if is_erased else Reason.REASON_CUSTOMER_NOT_FOUND)
    if not line.number:  # given up by a move
        raise Refused(Reason.REASON_CUSTOMER_MOVED)
    holder = find_line(tx, line.number)
    if holder is not None and holder.product_id != product_id:  # a later line has the number
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    return line.number


def read_page(
    tx: Transaction,
    after_customer: str,
    after_line: str,
    limit: int,
    asked: AuditedCall,
    skip: int = 0,
    *,
    in_reverse: bool = False,
) -> list[KnownCustomer]:
    """At most `limit` lines with their customers, after a customer's line, the first `skip` passed over.

    The reading is audited.
    """
    lines = lines_after(tx, after_customer, after_line, limit, skip, in_reverse=in_reverse)
    asked.record(tx, "ListCustomers", after_customer or "-", f"{len(lines)} read")
    return [_with_customer(tx, line) for line in lines]


def change(
    tx: Transaction, number: str, changes: dict[str, str], asked: AuditedCall, contacts: Wanted | None = None
) -> KnownCustomer:
    """Changes name or email, and other contacts where they are given. Raises Refused as `read`."""
    found = _require(tx, number)
    changed, fields = replace(found, customer=replace(found.customer, **changes)), sorted(changes)
    if contacts is not None:
        change = change_contacts(found.other_contacts, contacts)
        changed, fields = replace(changed, other_contacts=change.contacts), [*fields, "other_contacts"]
        if change.contacts != found.other_contacts:
            keep_other_contacts(tx, found.customer.customer_id, change.contacts)
            notify_of_change(tx, found.line, change, contacts.zone, asked.now)
    if changed.customer != found.customer:
        update_customer(tx, changed.customer)
    if changed != found:
        note_attributes(tx, found.customer.customer_id, asked.now)
        asked.record(tx, "UpdateCustomer", found.customer.customer_id, ", ".join(fields))
    return changed


def read_preferences(tx: Transaction, number: str, asked: AuditedCall) -> ContactPreferences:
    """The contact preferences of a customer; the reading is audited. Raises Refused as `read`."""
    customer_id = _require(tx, number).customer.customer_id
    asked.record(tx, "GetContactPreferences", customer_id)
    return preferences_of(tx, customer_id)


def change_preferences(
    tx: Transaction, number: str, change: Callable[[ContactPreferences], ContactPreferences], asked: AuditedCall
) -> ContactPreferences:
    """Changes the contact preferences of a customer, and returns them. Raises Refused as `read`."""
    customer_id = _require(tx, number).customer.customer_id
    asked.record(tx, "SetContactPreferences", customer_id)
    return keep_preferences(tx, customer_id, change(preferences_of(tx, customer_id)), asked.now)


def credited_account(line: Line) -> str:
    """The account of a credit: that of a closed line is owed to the customer instead of set off."""
    return REFUNDS_DUE if line.is_closed else line.account_id


def own_line(tx: Transaction, federation: Federation, region: str, number: str, *, asking: str) -> Line:
    """The line with a number, if `region` is its home, for a reader in the region `asking`.

    Callers that show or change its data take `readable_line`, or call `require_readable`. Raises Moved where the number
    plan names another region, and Refused with SUBSCRIPTION_NOT_FOUND where there is no such line. For an erased
    customer, other regions get the same, and the home region CUSTOMER_ERASED. Raises Refused with HAND_OVER_AWAITED as
    `home_elsewhere`.
    """
    line = find_line(tx, number)
    owner = home_elsewhere(tx, federation, region, number, has_line=line is not None)
    if owner is not None:
        raise Moved(owner)
    if line is not None:
        return line
    if asking == region:
        _require_not_erased(tx, number)
    raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)


def readable_line(tx: Transaction, federation: Federation, region: str, number: str, *, asking: str) -> Line:
    """The line as `own_line`, of a customer whose data may be used. Raises as that, and as `require_usable`."""
    line = own_line(tx, federation, region, number, asking=asking)
    require_usable(tx, federation, region, line.customer_id)
    return line


def require_usable(tx: Transaction, federation: Federation, region: str, customer_id: str) -> None:
    """Raises Refused as `require_readable`, where the answer may be stored.

    With CUSTOMER_MOVING for a customer whose home is here, and whom an older plan has marked as moved: the region takes
    the mark away soon.
    """
    if status_of(tx, customer_id) == MOVED and is_home_of(tx, federation, region, customer_id):
        raise Refused(Reason.REASON_CUSTOMER_MOVING)
    require_readable(tx, customer_id)


def _require_not_erased(tx: Transaction, number: str) -> None:
    if customer_numbered(tx, number) is not None:  # the line exists, and cannot be opened
        raise Refused(Reason.REASON_CUSTOMER_ERASED)


def keep_line(tx: Transaction, line: Line, now: datetime, *, since: datetime | None = None) -> None:
    """Stores a new or changed line, and notes the change and its state. A timer ends an agreed suspension.

    `since` is the begin of its state where that is not `now`, the time of the change.
    """
    before = line_at_rest(tx, line.product_id)
    if before is None:
        insert_line(tx, line)
        note_new_lines(tx, [line], now)
    else:
        update_line(tx, line)
        note_changed_line(tx, before, line, now)
    note_state(tx, before, line, since or now)
    if line.suspension_end is not None or (before is not None and before.suspension_end is not None):
        _watch_suspension(tx, line)


def keep_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Stores a new or changed customer."""
    if customers_of(tx, [customer.customer_id]):
        update_customer(tx, customer)
    else:
        insert_customer(tx, customer)


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


def _opening(new: NewCustomer) -> Posting:
    account = new.line.account_id
    debit, credit = (OPENING, account) if new.balance > 0 else (account, OPENING)
    return transfer(f"{account}#opening", EntryKind.OPENING, abs(new.balance), debit=debit, credit=credit)


def _require(tx: Transaction, number: str) -> KnownCustomer:
    line = find_line(tx, number)
    if line is None:
        _require_not_erased(tx, number)
        if has_moved(tx, number):
            raise Refused(Reason.REASON_CUSTOMER_MOVED)
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    require_readable(tx, line.customer_id)
    return _with_customer(tx, line)


def _with_customer(tx: Transaction, line: Line) -> KnownCustomer:
    customer = find_customer(tx, line.customer_id)
    if customer is None:
        raise ValueError(f"line {line.product_id} has no customer")
    balance, subscriptions = ledger.balance(tx, line.account_id), subscriptions_of(tx, line.product_id)
    return KnownCustomer(customer, line, balance, subscriptions, other_contacts(tx, line.customer_id))
