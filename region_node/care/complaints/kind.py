"""The registration of complaints for erasure, legal holds and retention. A case goes as a whole."""

from collections.abc import Iterable, Sequence
from functools import partial

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.care.complaints import rules
from region_node.care.complaints.import_rows import forget_line
from region_node.care.complaints.index_rows import forget_indexed, indexed_about
from region_node.care.complaints.private_facts import move_private_facts
from region_node.care.complaints.private_notes import remove_private_notes
from region_node.care.complaints.purging import Complaints
from region_node.care.complaints.rows import (
    CONTACTS,
    KIND,
    AboutNumber,
    case_of,
    complaint_subject,
    complaints_about,
    find_complaint,
)
from region_node.customers.documents.files import remove_files_of
from region_node.customers.rows import indexes_of_customer
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records import kinds
from region_node.records.kinds import (
    Customer,
    Elsewhere,
    Ended,
    ErasurePort,
    HoldPort,
    Kept,
    RecordKind,
    RetentionPort,
    Table,
    ToErase,
)


def _about_customer(tx: Transaction, customer: Customer) -> list[AboutNumber]:
    return customer.records(partial(complaints_about, tx), lambda each: _home(tx, each.ticket_id))


def _home(tx: Transaction, ticket_id: str) -> str:
    row = find_complaint(tx, ticket_id)
    return "" if row is None else row.complaint.home_region


def _require_erasable(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    still_open = [each.ticket_id for each in _about_customer(tx, customer) if each.is_open]
    if still_open:
        raise Refused(Reason.REASON_CUSTOMER_HAS_COMPLAINTS, complaints=str(len(still_open)), complaint=still_open[0])


def _regions_of(tx: Transaction, each: AboutNumber) -> Sequence[str]:
    """The regions that accepted or answered a complaint, and those that have returned it.

    Call it while the complaint is readable: the case lists the regions that returned it before it became a case.
    """
    regions = {each.origin_region, each.owner_region}
    row = find_complaint(tx, each.ticket_id)
    if row is not None:
        regions |= {item.region for item in row.complaint.items if item.ticket_id == each.ticket_id}
    return sorted(regions)


def _elsewhere(tx: Transaction, complaints: Iterable[AboutNumber], *but: str) -> Sequence[Elsewhere]:
    return [
        Elsewhere(region, each.ticket_id, each.traceparent)
        for each in complaints
        for region in _regions_of(tx, each)
        if region not in but
    ]


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    own = [
        Kept(
            each.ticket_id,
            [complaint_subject(each.ticket_id), envelope_subject(each.ticket_id)],
            _regions_of(tx, each),
            each.traceparent,
        )
        for each in _about_customer(tx, customer)
    ]
    indexed = [each for number in customer.numbers for each in indexed_about(tx, number)]
    return own + [
        Kept(each.ticket_id, [envelope_subject(each.ticket_id)], [each.region], is_told=False) for each in indexed
    ]


def _forget(tx: Transaction, ticket_id: str) -> None:
    remove_files_of(tx, ticket_id)
    remove_private_notes(tx, ticket_id)
    forget_line(tx, ticket_id)
    tx.execute("UPDATE complaints SET number_index = '', contact_index = '' WHERE ticket_id = :id", id=ticket_id)


def _forget_customer(tx: Transaction, customer_id: str) -> None:
    for index in indexes_of_customer(tx, customer_id):
        forget_indexed(tx, index)


def _told(tx: Transaction, context: RegionContext, origin: str, ticket_id: str) -> ToErase | None:
    """Handles an erasure report of the home region, or of the lead region of a case.

    The home region knows the lead region. The lead region has other regions' copies erased once the case has ended,
    whatever their state is. It does so only after the home region's own report, which goes to all.
    """
    row = find_complaint(tx, ticket_id)
    if row is None:
        return None
    complaint, number = row.complaint, row.complaint.request.number
    whole = case_of(tx, complaint.case_id or complaint.ticket_id)
    home = context.federation.number_plan.home_of(number)
    is_part = bool(complaint.case_id) or complaint.HasField("returned")
    led_elsewhere = is_part and complaint.origin_region != context.region
    if led_elsewhere:
        may_ask = origin == complaint.origin_region
    else:
        root = next(each for each in whole if not each.parent)
        may_ask = origin == home and root.state in rules.FINAL
    if not may_ask:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    return ToErase(
        [
            subject
            for each in whole
            for subject in (complaint_subject(each.ticket_id), envelope_subject(each.ticket_id))
        ],
        number_index(tx, number) if origin == home else "",
        _elsewhere(tx, whole, origin),
        number="" if origin == home else number,
        home=complaint.home_region,
    )


def _about(tx: Transaction, number: str) -> Sequence[kinds.AboutNumber]:
    found = [each.ticket_id for each in complaints_about(tx, number)]
    return [kinds.AboutNumber(each, _home(tx, each)) for each in found]


def _ended(tx: Transaction, ticket_id: str) -> Ended | None:
    row = find_complaint(tx, ticket_id)
    if row is None:
        return None
    case = row.complaint.case_id or ticket_id
    whole = case_of(tx, case)
    if any(each.is_open for each in whole):
        return None
    ticket_ids = [each.ticket_id for each in whole]
    subjects = [complaint_subject(each) for each in ticket_ids]
    return Ended(ticket_ids, subjects, row.complaint.request.number, case, row.complaint.home_region)


def _case(tx: Transaction, ticket_id: str) -> Sequence[str]:
    return [each.ticket_id for each in case_of(tx, ticket_id)]


def _may_hold(tx: Transaction, context: RegionContext, origin: str, ticket_id: str) -> bool | None:
    """The home region may, and the origin region."""
    row = find_complaint(tx, ticket_id)
    if row is None:
        return None
    home = context.federation.number_plan.home_of(row.complaint.request.number)
    return origin in (home, row.complaint.origin_region)


def _led_from_here(tx: Transaction, context: RegionContext, origin: str, ticket_id: str) -> Sequence[Elsewhere]:
    """Other regions' copies of a complaint of this origin region, unknown to its home region."""
    row = find_complaint(tx, ticket_id)
    if row is None or row.complaint.origin_region != context.region:
        return []
    return _elsewhere(tx, case_of(tx, row.complaint.case_id or ticket_id), origin, context.region)


def _is_open(tx: Transaction, ticket_id: str) -> bool:
    return any(each.is_open for each in case_of(tx, ticket_id))


COMPLAINTS = RecordKind(
    KIND,
    ErasurePort(
        require_erasable=_require_erasable,
        kept_of=_kept_of,
        forget={KIND: _forget, "customer": _forget_customer, "number": forget_indexed},
        forget_user=CONTACTS.forget_number,
        forget_index=CONTACTS.forget_left,
        told=_told,
        about=_about,
        ended=_ended,
        case=_case,
        indexed=("complaint_index",),
    ),
    HoldPort(
        held="SELECT held.subject, number_index FROM held JOIN complaints ON ticket_id = held.subject",
        may_hold=_may_hold,
        elsewhere=_led_from_here,
    ),
    RetentionPort(
        purgers={DataClass.DATA_CLASS_COMPLAINTS: Complaints()},
        table=Table("complaints", "ticket_id", "number_index"),
        is_open=_is_open,
    ),
    row_migrations={"complaints": move_private_facts},
    row_fills=(CONTACTS.fill,),
)
