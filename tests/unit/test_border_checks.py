"""Everything forged, stale, foreign or unreadable about a record of any kind gets the same answer as of every other."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1 import complaint_envelopes_pb2 as complaints
from gateway.api.region.v1 import fault_envelopes_pb2 as faults
from gateway.api.region.v1 import order_envelopes_pb2 as orders
from gateway.api.region.v1 import support_envelopes_pb2 as support
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest, ComplaintState
from gateway.api.region.v1.fault_pb2 import Fault, FaultPlace, FaultReport, FaultState
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportRequest, SupportState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Requester
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.queries import Asker
from gateway.store import vault
from gateway.store.port import Store, Transaction
from gateway.time.clock import to_timestamp
from region_node.business.orders import rows as order_rows
from region_node.business.orders.context import OrderContext
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.orders.ticket import ORDER
from region_node.care.complaints import rows as complaint_rows
from region_node.care.complaints.attachment_contents import AttachmentDesk
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.relayed import ComplaintEnvelopes
from region_node.care.complaints.rows import ComplaintRow
from region_node.care.complaints.ticket import COMPLAINT
from region_node.network.faults import rows as fault_rows
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.faults.rows import FaultRow, insert_fault
from region_node.network.faults.ticket import FAULT
from region_node.network.support.relayed import SupportEnvelopes
from region_node.network.support.rows import SupportRow, insert_support_request
from region_node.network.support.ticket import SUPPORT
from region_node.node.context import RegionContext
from region_node.records.stored import Events
from region_node.tickets.ticket import M, R, Ticket
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

HERE, ORIGIN, OWNER, STRANGER = "sichuan", "guangdong", "henan", "chongqing"
NOT_ALLOWED, INVALID, NOT_FOUND = "ENVELOPE_KIND_NOT_ALLOWED", "ENVELOPE_INVALID", "NOT_FOUND"
STAFF = Requester(staff_id="4711")


@dataclass(frozen=True)
class Kind:
    """A kind of record, as far as every kind is alike; fields by their names in its message."""

    name: str
    new: Callable[[str, str, str], Message]
    """A new record by id, origin and owner, as a good filing brings it."""
    origin: str
    owner: str
    created: str
    fixed: Sequence[str]
    final: int
    kinds: Callable[[RegionContext], Kinds]
    store: Callable[[Transaction, Message], None]
    read: Callable[[Transaction, str], Message | None]
    subject: Callable[[str], str]
    filing: tuple[EnvelopeKind.ValueType, Callable[[Message], Message]]
    command: tuple[EnvelopeKind.ValueType, Callable[[str, str], Message]]
    """What the origin says, by the id and the author."""
    update: tuple[EnvelopeKind.ValueType, Callable[[Message], Message]]
    key: str = "id"
    events: Events | None = None


def new_support(name: str, origin: str, owner: str) -> SupportRequest:
    start, end = to_timestamp(NOW - timedelta(hours=1)), to_timestamp(NOW)
    slow = SupportMeasurement(link="chengdu-guangzhou-1", delay_us=250_000, start_time=start, end_time=end)
    found = SupportRequest(
        id=name,
        inquiry=SupportInquiry(
            number=LINE.number,
            subject="slow",
            description="since nine",
            service="lines-chengdu-guangzhou",
            measurements=[slow],
            staff_id="wang",
        ),
        opening_region=origin,
        owner_region=owner,
        operator="counter",
        creation_date=to_timestamp(NOW),
        state=SupportState.SUPPORT_STATE_ACKNOWLEDGED,
    )
    found.state_changes.add(state=found.state, time=found.creation_date, author=f"{origin}/wang")
    return found


def new_fault(name: str, origin: str, owner: str) -> Fault:
    place = FaultPlace(site="chengdu", region=HERE)
    found = Fault(
        id=name,
        report=FaultReport(number=LINE.number, description="no signal", place=place, requester=STAFF),
        handling_region=origin,
        owner_region=owner,
        home_region=ORIGIN,
        operator="counter",
        creation_date=to_timestamp(NOW),
        state=FaultState.FAULT_STATE_ACKNOWLEDGED,
    )
    found.outages.add(start_time=found.creation_date, due=to_timestamp(NOW + timedelta(days=2)))
    return found


def new_complaint(name: str, origin: str, owner: str) -> Complaint:
    return Complaint(
        docket=name,
        request=ComplaintRequest(category="BILL_WRONG", number=LINE.number, description="too high"),
        handling_region=origin,
        owner_region=owner,
        home_region=HERE,
        operator="counter",
        creation_date=to_timestamp(NOW),
        state=ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED,
    )


def new_order(name: str, origin: str, owner: str) -> Order:
    return Order(
        id=name,
        request=OrderRequest(business="SUSPEND", number=LINE.number, applicant=Applicant.APPLICANT_HOLDER),
        handling_region=origin,
        home_region=owner,
        operator="counter",
        order_date=to_timestamp(NOW),
        state=OrderState.ORDER_STATE_ACKNOWLEDGED,
    )


def store_support(tx: Transaction, message: Message) -> None:
    insert_support_request(tx, SupportRow(cast(SupportRequest, message), ""), 0, NOW)


def store_fault(tx: Transaction, message: Message) -> None:
    insert_fault(tx, FaultRow(cast(Fault, message), ""), 0, NOW)


def store_complaint(tx: Transaction, message: Message) -> None:
    add_complaint(tx, ComplaintRow(cast(Complaint, message), ""), 0, NOW)


def store_order(tx: Transaction, message: Message) -> None:
    insert_order(tx, OrderRow(cast(Order, message), ""), NOW)


def of_complaints(context: RegionContext) -> Kinds:
    nothing_attached = AttachmentDesk(context, cast(Store, None), cast(Asker, None))
    return ComplaintEnvelopes(context, nothing_attached).kinds()


def all_kinds() -> Iterator[Kind]:
    yield Kind(
        "support",
        new_support,
        "opening_region",
        "owner_region",
        "creation_date",
        SUPPORT.fixed,
        SupportState.SUPPORT_STATE_CLOSED,
        lambda context: SupportEnvelopes(context).kinds(),
        store_support,
        SUPPORT.records.read,
        SUPPORT.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
            lambda each: support.SupportCommand(
                id=cast(SupportRequest, each).id, staff_id="4711", open=cast(SupportRequest, each)
            ),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
            lambda name, author: support.SupportCommand(
                id=name, staff_id=author, note=support.SupportCommand.Note(text="still slow")
            ),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE,
            lambda each: support.SupportUpdate(request=cast(SupportRequest, each)),
        ),
    )
    yield Kind(
        "fault",
        new_fault,
        "handling_region",
        "owner_region",
        "creation_date",
        FAULT.fixed,
        FaultState.FAULT_STATE_CANCELLED,
        lambda context: FaultEnvelopes(context).kinds(),
        store_fault,
        FAULT.records.read,
        FAULT.records.subject,
        (EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED, lambda each: faults.FaultFiling(fault=cast(Fault, each))),
        (
            EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND,
            lambda name, author: faults.FaultCommand(
                id=name, requester=Requester(staff_id=author), respond=faults.FaultCommand.Respond(text="still so")
            ),
        ),
        (EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE, lambda each: faults.FaultUpdate(fault=cast(Fault, each))),
        events=fault_rows.EVENTS,
    )
    yield Kind(
        "complaint",
        new_complaint,
        "handling_region",
        "owner_region",
        "creation_date",
        COMPLAINT.fixed,
        ComplaintState.COMPLAINT_STATE_CLOSED,
        of_complaints,
        store_complaint,
        COMPLAINT.records.read,
        COMPLAINT.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED,
            lambda each: complaints.ComplaintFiling(complaint=cast(Complaint, each)),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND,
            lambda name, author: complaints.ComplaintCommand(
                docket=name,
                requester=Requester(staff_id=author),
                respond=complaints.ComplaintCommand.Respond(text="still so"),
            ),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE,
            lambda each: complaints.ComplaintUpdate(complaint=cast(Complaint, each)),
        ),
        key="docket",
        events=complaint_rows.EVENTS,
    )
    yield Kind(
        "order",
        new_order,
        "handling_region",
        "home_region",
        "order_date",
        ORDER.fixed,
        OrderState.ORDER_STATE_CANCELLED,
        lambda context: OrderEnvelopes(OrderContext(context, {})).kinds(),
        store_order,
        ORDER.records.read,
        ORDER.records.subject,
        (EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT, lambda each: orders.OrderSubmission(order=cast(Order, each))),
        (
            EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND,
            lambda name, author: orders.OrderCommand(
                order_id=name,
                requester=Requester(staff_id=author),
                confirm=orders.OrderCommand.Confirm(agreed=True),
            ),
        ),
        (EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE, lambda each: orders.OrderUpdate(order=cast(Order, each))),
        events=order_rows.EVENTS,
    )


@dataclass(frozen=True)
class Border:
    """What arrives at the node of Sichuan about a kind."""

    node: Archive
    kind: Kind

    def arrives(self, kind: EnvelopeKind.ValueType, payload: Message | bytes, subject: str, sender: str) -> str:
        """The answer in short: the reason, or ACCEPTED."""
        told = payload if isinstance(payload, bytes) else payload.SerializeToString()
        content = EnvelopeContent(
            id=f"{subject}@1>{HERE}", origin=sender, destination=HERE, subject=subject, kind=kind, payload=told
        )
        try:
            answer = self._command(kind).act(self.node.tx, content, NOW)
        except Refused as refused:
            return Reason.Name(refused.reason).removeprefix("REASON_")
        if answer.outcome == Outcome.OUTCOME_ACCEPTED:
            return "ACCEPTED"
        return Reason.Name(answer.reason).removeprefix("REASON_")

    def filed(self, spoil: Callable[[Message], None], sender: str = ORIGIN, subject: str = "") -> str:
        """The answer to a filing of Guangdong that is good but for `spoil`."""
        filed = self.kind.new(self.name(ORIGIN), ORIGIN, HERE)
        spoil(filed)
        kind, wrap = self.kind.filing
        return self.arrives(kind, wrap(filed), subject or self.name(ORIGIN), sender)

    def commanded(self, sender: str = ORIGIN, subject: str = "", name: str = "", author: str = "4711") -> str:
        """The answer to what Guangdong says of its own."""
        name = name or self.name(ORIGIN)
        kind, command = self.kind.command
        return self.arrives(kind, command(name, author), subject or name, sender)

    def told(self, spoil: Callable[[Message], None], sender: str = OWNER, subject: str = "") -> str:
        """The answer to a next version of what Henan owns and this region took in."""
        kind, wrap = self.kind.update
        return self.arrives(kind, wrap(self.version(2, spoil)), subject or self.name(HERE), sender)

    def answered(self, result: bytes, kind: EnvelopeKind.ValueType) -> None:
        """Henan answers what this region has sent about its own."""
        name = self.name(HERE)
        sent = EnvelopeContent(id=f"{name}#counter/R1>{OWNER}", origin=HERE, destination=OWNER, subject=name, kind=kind)
        if kind == self.kind.command[0]:
            sent.payload = self.kind.command[1](name, "4711").SerializeToString()
        receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=result)
        self._command(kind).answered(self.node.tx, sent, receipt, NOW)

    def version(self, number: int, spoil: Callable[[Message], None]) -> Message:
        """A version of what Henan owns and this region took in."""
        found = self.kind.new(self.name(HERE), HERE, OWNER)
        setattr(found, "version", number)  # noqa: B010 - a field of every kind
        spoil(found)
        return found

    def has(self, name: str, origin: str, owner: str, version: int = 1, state: int = 0) -> None:
        """Stores a record."""
        stored = self.kind.new(name, origin, owner)
        setattr(stored, "version", version)  # noqa: B010 - a field of every kind
        if state:
            setattr(stored, "state", state)  # noqa: B010 - a field of every kind
        self.kind.store(self.node.tx, stored)

    def destroyed(self, name: str) -> None:
        """Makes a record unreadable."""
        vault.destroy(self.node.tx, [self.kind.subject(name)])

    def name(self, origin: str) -> str:
        """The id of a record."""
        letter = {"support": "S", "fault": "F"}.get(self.kind.name, "")
        return f"{origin}/{letter}20311124-1"

    def stored(self, origin: str = HERE) -> Message | None:
        """The record as it is here."""
        return self.kind.read(self.node.tx, self.name(origin))

    def _command(self, kind: EnvelopeKind.ValueType) -> Command:
        command = self.kind.kinds(self.node.context)[kind]
        assert isinstance(command, Command)
        return command


def as_it_is(_message: Message) -> None:
    """Spoils nothing."""


def having(field: str, value: object) -> Callable[[Message], None]:
    """Spoils a field."""

    def spoil(message: Message) -> None:
        current = getattr(message, field)
        if value is None:
            message.ClearField(field)
        elif isinstance(current, Message):
            current.CopyFrom(cast(Message, value))
        else:
            setattr(message, field, value)

    return spoil


@pytest.fixture(name="borders")
def a_border_of_each_kind() -> Iterator[Sequence[Border]]:
    with archive() as node:
        yield [Border(node, kind) for kind in all_kinds()]


Row = tuple[str, Callable[[Border], object], object]


def wrong(borders: Sequence[Border], table: Sequence[Row]) -> list[str]:
    """The rows of a table whose answer is another one, of any kind; each from the same beginning."""
    found = []
    for border in borders:
        for what, say, expected in table:
            with undone(border.node):
                said = say(border)
            is_right = (
                said.endswith(expected) if isinstance(said, str) and isinstance(expected, str) else said == expected
            )
            if not is_right:
                found.append(f"{border.kind.name}: {what}: {said} and not {expected}")
    return found


@contextlib.contextmanager
def undone(node: Archive) -> Iterator[None]:
    node.connection.execute("BEGIN")
    try:
        yield
    finally:
        node.connection.execute("ROLLBACK")
        node.tx.subject_keys.clear()


def test_a_forged_filing_is_refused_alike_of_every_kind(borders: Sequence[Border]) -> None:
    def known(border: Border) -> str:
        border.has(border.name(ORIGIN), ORIGIN, HERE)
        return border.filed(as_it_is)

    def known_and_unreadable(border: Border) -> str:
        border.has(border.name(ORIGIN), ORIGIN, HERE)
        border.destroyed(border.name(ORIGIN))
        return border.filed(as_it_is)

    later = to_timestamp(NOW + timedelta(minutes=1))
    table: Sequence[Row] = (
        ("the subject is not the id", lambda each: each.filed(as_it_is, subject=f"{ORIGIN}/other"), NOT_ALLOWED),
        ("the sender is not in the id", lambda each: each.filed(as_it_is, STRANGER), NOT_ALLOWED),
        ("another origin", lambda each: each.filed(having(each.kind.origin, STRANGER)), NOT_ALLOWED),
        ("decided", lambda each: each.filed(having("version", 1)), INVALID),
        ("in a later state", lambda each: each.filed(having("state", each.kind.final)), INVALID),
        ("at no time", lambda each: each.filed(having(each.kind.created, None)), INVALID),
        ("in the future", lambda each: each.filed(having(each.kind.created, later)), INVALID),
        ("known", known, INVALID),
        ("known and unreadable", known_and_unreadable, INVALID),
        ("no message", lambda each: each.arrives(each.kind.filing[0], b"\xff", each.name(ORIGIN), ORIGIN), INVALID),
    )
    assert wrong(borders, table) == []


def test_a_forged_command_is_refused_alike_of_every_kind(borders: Sequence[Border]) -> None:
    def owned(say: Callable[[Border], str], owner: str = HERE, state: int = 0) -> Callable[[Border], str]:
        def at(border: Border) -> str:
            border.has(border.name(ORIGIN), ORIGIN, owner, state=state)
            return say(border)

        return at

    def unreadable(border: Border) -> str:
        border.destroyed(border.name(ORIGIN))
        return border.commanded()

    def ended(border: Border) -> str:
        return owned(lambda each: each.commanded(), state=border.kind.final)(border)

    table: Sequence[Row] = (
        ("the subject is not the id", owned(lambda each: each.commanded(subject=f"{ORIGIN}/other")), NOT_ALLOWED),
        ("of a stranger", owned(lambda each: each.commanded(STRANGER)), NOT_ALLOWED),
        ("of a stranger about nothing", lambda each: each.commanded(STRANGER), NOT_ALLOWED),
        ("about nothing", lambda each: each.commanded(), NOT_FOUND),
        ("about what is unreadable", owned(unreadable), NOT_FOUND),
        ("about what another region decides", owned(lambda each: each.commanded(), OWNER), NOT_FOUND),
        ("by nobody with a name", owned(lambda each: each.commanded(author="no name")), "REQUEST_INVALID"),
        ("about what has ended", ended, "STATE_FORBIDS"),
        ("no message", lambda each: each.arrives(each.kind.command[0], b"\xff", each.name(ORIGIN), ORIGIN), INVALID),
    )
    assert wrong(borders, table) == []


def test_a_forged_or_stale_version_changes_nothing_of_any_kind(borders: Sequence[Border]) -> None:
    def after(say: Callable[[Border], str], version: int = 1, state: int = 0) -> Callable[[Border], tuple[str, bool]]:
        """The answer, and whether the record is as it was."""

        def at(border: Border) -> tuple[str, bool]:
            border.has(border.name(HERE), HERE, OWNER, version, state)
            before = border.stored()
            return say(border), border.stored() == before

        return at

    def ended(border: Border) -> tuple[str, bool]:
        return after(lambda each: each.told(as_it_is), state=border.kind.final)(border)

    def unreadable(border: Border) -> tuple[str, bool]:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        return border.told(as_it_is), border.stored() is None

    def unreadable_by_a_stranger(border: Border) -> tuple[str, bool]:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        return border.told(having(border.kind.owner, STRANGER), STRANGER), border.stored() is None

    def other_words(border: Border) -> str:
        return border.told(having("state", border.kind.final))

    earlier = to_timestamp(NOW - timedelta(minutes=1))
    no, invalid, taken = (NOT_ALLOWED, True), (INVALID, True), ("ACCEPTED", True)
    table: Sequence[Row] = (
        ("the subject is not the id", after(lambda each: each.told(as_it_is, subject=f"{HERE}/other")), no),
        ("the sender is not the owner", after(lambda each: each.told(as_it_is, STRANGER)), no),
        ("a stranger is the owner", after(lambda each: each.told(having(each.kind.owner, STRANGER), STRANGER)), no),
        ("the owner names another", after(lambda each: each.told(having(each.kind.owner, STRANGER))), no),
        ("without a version", after(lambda each: each.told(having("version", 0))), no),
        ("of nothing", lambda each: (each.told(as_it_is), each.stored() is None), no),
        ("filed at another time", after(lambda each: each.told(having(each.kind.created, earlier))), invalid),
        ("older", after(other_words, version=3), taken),
        ("the same version with other content", after(other_words, version=2), taken),
        ("of what has ended", ended, taken),
        ("of what is unreadable", unreadable, taken),
        ("of what is unreadable, by a stranger", unreadable_by_a_stranger, no),
        (
            "no message",
            after(lambda each: each.arrives(each.kind.update[0], b"\xff", each.name(HERE), OWNER)),
            invalid,
        ),
    )
    assert wrong(borders, table) == []


def test_no_version_of_the_owner_changes_a_field_of_the_origin(borders: Sequence[Border]) -> None:
    changed = []
    for border in borders:
        checked = {border.kind.key, border.kind.created, border.kind.owner}  # by which a version is refused
        for field in [each for each in border.kind.fixed if each not in checked]:
            with undone(border.node):
                border.has(border.name(HERE), HERE, OWNER)
                before = border.stored()
                assert before is not None
                value = "other" if isinstance(getattr(before, field), str) else None
                said = border.told(having(field, value))
                after = border.stored()
                kept = after is not None and getattr(after, field) == getattr(before, field)
                is_next = after is not None and vars_of(after, "version") == 2
            if (said, kept, is_next) != ("ACCEPTED", True, True):
                changed.append(f"{border.kind.name}.{field}: {said}, kept {kept}, next version {is_next}")
    assert changed == []


def vars_of(message: Message, field: str) -> object:
    """A field by its name."""
    value: object = getattr(message, field)
    return value


def test_an_answer_tells_of_nothing_but_what_was_sent_there(borders: Sequence[Border]) -> None:
    def about_another(border: Border) -> bool:
        border.has(border.name(HERE), HERE, OWNER)
        other = f"{border.name(HERE)}1"
        border.has(other, HERE, OWNER)
        before = border.kind.read(border.node.tx, other)
        result = border.version(5, having(border.kind.key, other)).SerializeToString()
        for kind in (border.kind.filing[0], border.kind.command[0]):
            border.answered(result, kind)
        return border.kind.read(border.node.tx, other) == before

    def taken(owner: str, told: Callable[[Border], bytes]) -> Callable[[Border], bool]:
        def at(border: Border) -> bool:
            border.has(border.name(HERE), HERE, owner)
            before = border.stored()
            for kind in (border.kind.filing[0], border.kind.command[0]):
                border.answered(told(border), kind)
            return border.stored() != before

        return at

    def next_of(owner: str) -> Callable[[Border], bytes]:
        return lambda each: each.version(2, having(each.kind.owner, owner)).SerializeToString()

    def unreadable(border: Border) -> bool:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        border.answered(border.version(2, as_it_is).SerializeToString(), border.kind.command[0])
        return border.stored() is None

    def implausible(border: Border) -> bytes:
        """A fault without an outage, a complaint above every level."""
        spoil = {"fault": having("outages", None), "complaint": having("level", 9)}.get(border.kind.name)
        return b"" if spoil is None else border.version(2, spoil).SerializeToString()

    table: Sequence[Row] = (
        ("of what cannot be", taken(OWNER, implausible), False),
        ("of the owner", taken(OWNER, next_of(OWNER)), True),
        ("about another record", about_another, True),
        ("of one that names another owner", taken(OWNER, next_of(STRANGER)), False),
        ("of one that is not the owner any more", taken(STRANGER, next_of(OWNER)), False),
        ("no message", taken(OWNER, lambda _: b"\xff"), False),
        ("of what is unreadable", unreadable, True),
    )
    assert wrong(borders, table) == []


def test_a_watch_that_has_missed_changes_says_so_of_every_kind(borders: Sequence[Border]) -> None:
    def resumed(border: Border, key: str) -> object:
        assert border.kind.events is not None
        for number in range(3):
            border.has(f"{border.name(HERE)}{number}", HERE, OWNER)
        border.node.tx.execute(f"DELETE FROM {border.kind.events.table} WHERE sequence < 3")
        try:
            return border.kind.events.resumed_after(border.node.tx, key)
        except Refused as refused:
            return Reason.Name(refused.reason)

    table: Sequence[Row] = (
        ("behind the oldest change", lambda each: resumed(each, "1"), "TOKEN_EXPIRED"),
        ("at the oldest change", lambda each: resumed(each, "2"), 2),
        ("ahead of the last one", lambda each: resumed(each, "4"), "TOKEN_INVALID"),
    )
    assert wrong([each for each in borders if each.kind.events is not None], table) == []


def test_the_fields_of_the_origin_are_fields_of_the_message() -> None:
    def unknown(ticket: Ticket[M, R]) -> set[str]:
        return set(ticket.fixed) - set(ticket.records.message.DESCRIPTOR.fields_by_name)

    assert (unknown(SUPPORT), unknown(FAULT), unknown(COMPLAINT), unknown(ORDER)) == (set(), set(), set(), set())
