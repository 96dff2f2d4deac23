"""The new home takes a customer over, in the transaction of the hand-over's receipt."""

from dataclasses import replace
from datetime import datetime

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.billing.monthly import bill_passed
from region_node.care.complaints import moved as complaints
from region_node.care.surveys.moving import keep_moved, require_surveys
from region_node.customers.accounts.rules import receivable
from region_node.customers.contact_preferences import keep_preferences
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure
from region_node.customers.documents import moved as documents
from region_node.customers.moved_numbers import is_awaited, note_homes
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.operations import keep_line, take_over_contacts
from region_node.customers.rows import Line, insert_customer, is_number_in_use
from region_node.customers.sharing.rows import insert_grant
from region_node.customers.sharing.rules import Decided
from region_node.customers.subscriptions import insert_subscriptions
from region_node.customers.taking_over import NewCustomer, new_customer
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.books import book_moved, note_moved
from region_node.lifecycle.moving.restored import free_number, stale_line
from region_node.lifecycle.moving.rows import keep_move, note_assignments
from region_node.network.agreements import moved as agreements
from region_node.node.context import RegionContext

_TOLD = LocalizedText(
    zh_cn="您的号码已迁入本地区，余额一并转入。",
    en="Your number has moved to this region, with its balance.",
)


def require_handed_over(
    tx: Transaction,
    context: RegionContext,
    told: CustomerHandOver,
    origin: str,
    now: datetime,
    *,
    is_asked: bool = False,
) -> list[NewCustomer]:
    """The lines of a hand-over with their new ids. Raises Refused where the origin cannot give them, or they clash.

    The origin is the home by the number plan in force: no other region can give a number away. A customer who comes
    back to a region with an older database, which still has its number, takes the number from the line of then. Where
    this region has lost a customer with a newer database, its former home hands it over again.
    """
    federation = context.federation
    plans = {each.number: each.plan_id for each in told.move.lines}
    numbers = [each.product.number for each in told.customers]
    if not numbers or sorted(numbers) != sorted(plans):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not the lines of the move")
    for number, plan in plans.items():
        is_lost = is_awaited(tx, federation, context.region, number, is_new=is_asked)
        if federation.number_plan.home_of(number) != origin and not is_lost:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        rules.require_plan(federation, plan, context.region)
        if is_number_in_use(tx, number) and stale_line(tx, number, federation, context.region) is None:
            raise Refused(Reason.REASON_CUSTOMER_EXISTS, number=number)
    rules.require_times(told)
    if not is_asked:
        rules.require_recent(told.move, now)
    documents.require_handed_over(told.documents)
    complaints.require_handed_over(told.complaints, numbers)
    require_surveys(told.surveys, numbers)
    renamed = _renamed(told)
    found = [new_customer(each, context.currency) for each in renamed]
    new = [replace(each, line=replace(each.line, plan_id=plans[each.line.number])) for each in found]
    agreements.require_handed_over(context, told.agreements, _by_former_id(told, new))
    return new


def take_over(
    tx: Transaction, context: RegionContext, told: CustomerHandOver, new: list[NewCustomer], now: datetime
) -> None:
    """Stores a customer as this region's own: from this commit on, this region is the home.

    It charges from the confirmation on, as the former home charges up to it.
    """
    move, customer_id, moment = told.move, new[0].customer.customer_id, from_timestamp(told.move.change_time)
    for each in new:
        if (stale := stale_line(tx, each.line.number, context.federation, context.region)) is not None:
            free_number(tx, stale, context.federation, context.region, now)
    insert_customer(tx, new[0].customer)
    take_over_contacts(tx, new[0], moment)
    for each in new:
        keep_line(tx, each.line, now, since=moment)
        insert_subscriptions(tx, each.subscriptions)
        owed, account = receivable(move.from_region), each.line.account_id
        book_moved(tx, move.id, account, each.balance, owed, context.currency, moment)
    note_moved(tx, context, move, sum(each.balance for each in new))
    for account in dict.fromkeys(each.line.account_id for each in new):
        bill_passed(tx, context, account, moment, now)
    if told.HasField("preferences"):
        said = told.preferences
        since = from_timestamp(said.marketing_time) if said.HasField("marketing_time") else now
        keep_preferences(tx, customer_id, said, since)
    _keep_consents(tx, context, told, {each.line.number: each.line for each in new})
    complaints.take_over(tx, context, told.complaints)
    documents.take_over(tx, customer_id, told.documents, move.from_region, now)
    agreements.take_over(tx, context, told.agreements, _by_former_id(told, new), moment, now)
    keep_moved(tx, context, told.surveys, move, customer_id, now)
    note_homes(tx, [each.line.number for each in new], context.region, customer_id)
    move.state = rules.TAKEN_OVER
    move.change_time.CopyFrom(to_timestamp(now))
    keep_move(tx, move, customer_id)
    note_assignments(tx, move, customer_id, context.federation)
    for each in new:
        _note_disclosure(tx, move, each.line, now)
        if context.federation.number_plan.home_of(each.line.number) == context.region:
            continue  # the customer was told before this region lost it
        tell(tx, Notice(f"{move.id}/{each.line.product_id}", "move", each.line.number, _TOLD), now)


def _note_disclosure(tx: Transaction, move: CustomerMove, line: Line, now: datetime) -> None:
    """The customer's own list says that the former home has handed everything over."""
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_MOVED,
        time=now,
        region=move.from_region,
        operator="",
        purpose="",
        particulars=DisclosureParticulars(record_id=move.id),
    )
    note_disclosure(tx, line, row)


def _by_former_id(told: CustomerHandOver, new: list[NewCustomer]) -> dict[str, Line]:
    """The lines here by their ids at the former home."""
    return {each.product.id: here.line for each, here in zip(told.customers, new, strict=True)}


def _renamed(told: CustomerHandOver) -> list[Customer]:
    """The customers with ids of this region: those of another one may be in use here."""
    begin, accounts, renamed = rules.ids_at_new_home(told.move.id), dict[str, str](), []
    for index, each in enumerate(told.customers):
        customer = Customer()
        customer.CopyFrom(each)
        customer.id = begin
        customer.product.id = rules.line_at_new_home(told.move.id, index)
        account = accounts.setdefault(each.billing_account.id, f"account-{begin}-{len(accounts)}")
        customer.billing_account.id = account
        for place, subscription in enumerate(customer.product.subscriptions):
            subscription.id = f"{customer.product.id}/{place}"
        renamed.append(customer)
    return renamed


def _keep_consents(tx: Transaction, context: RegionContext, told: CustomerHandOver, lines: dict[str, Line]) -> None:
    """Stores the decisions about readers. This region reads as the home now, and needs none."""
    for each in told.consents:
        grant, line = each.grant, lines.get(each.number)
        if line is None or grant.reader == context.region:
            continue
        decided = Decided(
            f"{grant.id}>{context.region}",
            grant.reader,
            grant.purpose,
            frozenset(grant.fields),
            each.granted,
            from_timestamp(grant.start_time),
            from_timestamp(grant.end_time) if grant.HasField("end_time") else None,
            text_version=grant.text_version,
            attested=from_timestamp(each.attested_start_time) if each.HasField("attested_start_time") else None,
        )
        insert_grant(tx, line, decided, grant.evidence, from_timestamp(grant.record_time))
