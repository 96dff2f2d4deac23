"""A region's erasure on another one's report: of that region's customers only, and without held data."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest, ComplaintState, WorkItem
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan
from gateway.relay.at_rest import envelope_subject
from gateway.relay.border import Command
from gateway.store import vault
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.care.complaints.index_rows import keep_indexed
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.kind import COMPLAINTS
from region_node.care.complaints.rows import ComplaintRow, complaint_subject
from region_node.customers.documents.files import REGISTERED, StoredFile, insert_file
from region_node.customers.known_statuses import forget_restrictions, is_restricted
from region_node.customers.moved_numbers import note_homes
from region_node.customers.notices.rows import Notice, tell
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.of_numbers import NUMBER_TIMER, number_is_due
from region_node.lifecycle.erasure.relayed import ERASURE_TIMER, ErasureEnvelopes, erasure_is_due
from region_node.lifecycle.erasure.status_envelopes import CustomerStatusEnvelopes, record_has_ended
from region_node.lifecycle.holds.relayed import HoldEnvelopes
from region_node.lifecycle.moving.kind import MOVES
from region_node.lifecycle.moving.rows import keep_move
from region_node.lifecycle.moving.rules import MOVED, TAKEN_OVER
from region_node.network.faults.rows import FaultRow, insert_fault
from region_node.network.support.rows import SUPPORT_ROWS, SupportRow
from region_node.node.subjects import number_index, number_subject, order_subject
from region_node.records.forgetting import FORGET_TIMER
from region_node.records.kinds import Customer
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

THEIRS, ANOTHERS = "+8613900000007", "+8613900000008"
DAY = timedelta(days=1)
ERASED, ACTIVE = CustomerStatus.CUSTOMER_STATUS_ERASED, CustomerStatus.CUSTOMER_STATUS_ACTIVE
NOT_ALLOWED = Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


@pytest.fixture(name="kept")
def what_sichuan_keeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Of a customer of Guangdong, and of one of Henan."""
    owners = {THEIRS: "guangdong", ANOTHERS: "henan"}
    exceptions = [configuration_pb2.NumberException(number=each, region=owners[each]) for each in owners]
    with archive() as found:
        plan = NumberPlan(configuration_pb2.NumberPlan(exceptions=exceptions))
        monkeypatch.setattr(found.context.federation, "number_plan", plan)
        yield found


def document(kept: Archive, name: str, number: str = THEIRS, home: str = "guangdong") -> str:
    """A document that was verified here."""
    subject, index = number_subject(kept.tx, number), number_index(kept.tx, number)
    file = StoredFile(f"sichuan/counter/{name}", subject, index, "", 1, 1, REGISTERED, home)
    insert_file(kept.tx, file, DocumentUpload().SerializeToString(), NOW)
    return file.document_id


def complaint(kept: Archive, ticket_id: str, owner: str, **changes: object) -> None:
    """A complaint about the number of Guangdong that is closed."""
    state = ComplaintState.COMPLAINT_STATE_CLOSED
    row = Complaint(ticket_id=ticket_id, owner_region=owner, version=1, state=state, home_region="guangdong")
    row.origin_region, row.request.number = ticket_id.partition("/")[0], THEIRS
    row.create_time.CopyFrom(to_timestamp(NOW))
    row.MergeFrom(Complaint(**changes))  # type: ignore[arg-type]
    add_complaint(kept.tx, ComplaintRow(row, ""), 0, NOW)


def say(kept: Archive, origin: str, subject: str, payload: Message) -> None:
    """A region says something to this one. Raises Refused."""
    kinds = {
        OrderErasure: (ErasureEnvelopes(kept.registry).kinds(), EnvelopeKind.ENVELOPE_KIND_ERASURE),
        CustomerStatusNotice: (
            CustomerStatusEnvelopes(kept.registry).kinds(),
            EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS,
        ),
        HoldUpdate: (HoldEnvelopes(kept.registry).kinds(), EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD),
    }
    known, kind = kinds[type(payload)]
    command = known[kind]
    assert isinstance(command, Command)
    content = EnvelopeContent(
        subject=subject, origin=origin, destination="sichuan", payload=payload.SerializeToString()
    )
    command.act(kept.tx, content, NOW)


def told(*numbers: str, status: CustomerStatus.ValueType = ERASED) -> CustomerStatusNotice:
    """The word of how a customer stands."""
    return CustomerStatusNotice(numbers=numbers, status=status)


def hold(kept: Archive, subject: str, version: int, end: datetime | None = None) -> None:
    """Guangdong says until when something is to be kept."""
    update = HoldUpdate(version=version, end_time=to_timestamp(end) if end is not None else None)
    say(kept, "guangdong", f"legal-hold/{subject}", update)


def later(kept: Archive, now: datetime) -> None:
    """Fires the timers that are due, once each."""
    registry = kept.registry
    handlers = {
        ERASURE_TIMER: lambda tx, timer, now: erasure_is_due(tx, registry, timer, now),
        NUMBER_TIMER: lambda tx, timer, now: number_is_due(tx, registry, timer, now),
        MOVES.ended_timer: lambda tx, timer, now: record_has_ended(tx, registry, MOVES, timer, now),
        COMPLAINTS.ended_timer: lambda tx, timer, now: record_has_ended(tx, registry, COMPLAINTS, timer, now),
        FORGET_TIMER: lambda tx, timer, now: None,
    }
    for timer in due_timers(kept.tx, now):
        if timer.kind in handlers:
            fire(kept.tx, timer, handlers, now)


def has_key(kept: Archive, subject: str) -> bool:
    """Whether what is sealed under a subject can be read."""
    return kept.tx.first(int, "SELECT 1 FROM data_keys WHERE subject = :subject", subject=subject) == 1


def test_a_region_erases_what_hangs_on_its_own_numbers_alone(kept: Archive) -> None:
    subject = number_subject(kept.tx, THEIRS)
    document(kept, "paper")
    with pytest.raises(Refused) as caught:
        say(kept, "henan", "status/forged", told(THEIRS))
    assert caught.value.reason == NOT_ALLOWED
    say(kept, "henan", "status/mixed", told(ANOTHERS, THEIRS))
    assert has_key(kept, subject)
    assert kept.count("known_statuses") == 1, "of its own number alone"
    say(kept, "guangdong", "status/own", told(THEIRS))
    assert not has_key(kept, subject)


def test_a_word_by_a_number_plan_that_is_not_known_yet_is_taken_up_when_it_is(kept: Archive) -> None:
    command = CustomerStatusEnvelopes(kept.registry).kinds()[EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS]
    assert isinstance(command, Command)
    revision = kept.context.border.current.revision + 1
    payload = told(THEIRS).SerializeToString()
    content = EnvelopeContent(subject="status/1", origin="henan", payload=payload, federation_revision=revision)
    with pytest.raises(Refused) as caught:
        command.act(kept.tx, content, NOW)
    assert caught.value.reason == Reason.REASON_CONFIGURATION_MISSING


def test_a_number_that_another_region_has_by_now_keeps_what_is_that_ones(kept: Archive) -> None:
    subject = number_subject(kept.tx, THEIRS)
    before, after = document(kept, "before", home="henan"), document(kept, "after")
    say(kept, "henan", f"document/{before}", OrderErasure())
    assert has_key(kept, subject)
    left = kept.tx.all(str, "SELECT document_id FROM document_files")
    assert left == [after], "the former customer's document is gone by itself"


def test_a_region_takes_back_its_own_word_of_a_number_that_has_moved(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted = CustomerStatus.CUSTOMER_STATUS_RESTRICTED
    say(kept, "guangdong", "status/1", told(THEIRS, status=restricted))
    exceptions = [configuration_pb2.NumberException(number=THEIRS, region="henan")]
    plan = NumberPlan(configuration_pb2.NumberPlan(exceptions=exceptions))
    monkeypatch.setattr(kept.context.federation, "number_plan", plan)
    say(kept, "guangdong", "status/1", told(THEIRS, status=ACTIVE))
    assert kept.count("known_statuses") == 0


def test_a_former_home_restricts_nobody_once_the_plan_names_another_one(kept: Archive) -> None:
    restricted = CustomerStatus.CUSTOMER_STATUS_RESTRICTED
    say(kept, "guangdong", "status/1", told(THEIRS, status=restricted))
    say(kept, "henan", "status/2", told(ANOTHERS, status=restricted))
    assert forget_restrictions(kept.tx, {THEIRS: "guangdong", ANOTHERS: "henan"}) == 0
    assert forget_restrictions(kept.tx, {THEIRS: "henan", ANOTHERS: "henan"}) == 1
    assert [is_restricted(kept.tx, each) for each in (THEIRS, ANOTHERS)] == [False, True]


def test_a_hand_over_is_erased_at_both_homes_with_the_customer_of_the_new_one(kept: Archive) -> None:
    def move(name: str, number: str, state: MoveState.ValueType) -> str:
        found = CustomerMove(id=f"{name}/counter/m1", from_region=name, to_region="guangdong", state=state)
        found.lines.add(number=number)
        found.create_time.CopyFrom(to_timestamp(NOW))
        keep_move(kept.tx, found, f"customer-{name}")
        note_homes(kept.tx, [number], "guangdong" if name == "sichuan" else "sichuan", f"customer-{name}")
        vault.seal(kept.tx, envelope_subject(found.id), "outbox", b"hand-over")
        return envelope_subject(found.id)

    given, taken = move("sichuan", THEIRS, MOVED), move("henan", LINE.number, TAKEN_OVER)
    say(kept, "guangdong", "status/1", told(ANOTHERS, THEIRS))
    later(kept, NOW)
    assert (has_key(kept, given), has_key(kept, taken)) == (False, True)
    customer = Customer("customer-henan", [LINE.number], [], [])
    (kept_here,) = MOVES.erasure.kept_of(kept.tx, customer)
    assert kept_here.subjects == [taken]


def moves_of_one_who_came_back(kept: Archive) -> list[str]:
    """From here to Henan, back, and to Guangdong: the subjects of the three hand-overs, in this order."""
    found = []
    for index, (old, new) in enumerate((("sichuan", "henan"), ("henan", "sichuan"), ("sichuan", "guangdong"))):
        state = MOVED if old == "sichuan" else TAKEN_OVER
        move = CustomerMove(id=f"{old}/counter/m{index}", from_region=old, to_region=new, state=state)
        move.lines.add(number=THEIRS)
        move.create_time.CopyFrom(to_timestamp(NOW))
        customer_id = "customer-1" if index == 0 else "customer-2"
        keep_move(kept.tx, move, customer_id)
        note_homes(kept.tx, [THEIRS], new, customer_id)
        found.append(envelope_subject(move.id))
        vault.seal(kept.tx, found[-1], "outbox", b"hand-over")
    return found


@pytest.mark.parametrize("earlier", [False, True], ids=["moves of this version", "moves of the version before"])
def test_all_hand_overs_of_one_who_came_back_and_left_again_are_erased_with_the_customer(
    kept: Archive, earlier: bool
) -> None:
    subjects = moves_of_one_who_came_back(kept)
    if earlier:
        kept.tx.execute("DELETE FROM move_numbers")
        kept.tx.execute("UPDATE customer_moves SET has_numbers = 0")
        migrate = MOVES.row_migrations["customer_moves"]
        assert [migrate(kept.tx, 2) for _ in range(3)] == [2, 1, 0]
    say(kept, "henan", "status/0", told(THEIRS))
    later(kept, NOW)
    assert [has_key(kept, each) for each in subjects] == [False, True, True], "what it was handed over itself alone"
    say(kept, "guangdong", "status/1", told(THEIRS))
    later(kept, NOW)
    assert [has_key(kept, each) for each in subjects] == [False, False, False]
    assert kept.count("move_numbers") == 0


@pytest.mark.parametrize("word", ["the document", "the number"])
def test_what_is_under_a_hold_is_erased_once_that_has_ended(kept: Archive, word: str) -> None:
    document_id, subject = document(kept, "paper"), number_subject(kept.tx, THEIRS)
    hold(kept, f"document/{document_id}", 1)
    if word == "the document":
        say(kept, "guangdong", f"document/{document_id}", OrderErasure())
    else:
        say(kept, "guangdong", "status/1", told(THEIRS))
    later(kept, NOW + DAY)
    assert has_key(kept, subject)
    hold(kept, f"document/{document_id}", 2, NOW)
    later(kept, NOW + 2 * DAY)
    assert not has_key(kept, subject)


def test_a_complaint_under_a_hold_is_erased_once_that_has_ended(kept: Archive) -> None:
    complaint(kept, "sichuan/1", "sichuan")
    hold(kept, "sichuan/1", 1)
    say(kept, "guangdong", "status/1", told(THEIRS))
    later(kept, NOW)
    assert has_key(kept, complaint_subject("sichuan/1"))
    hold(kept, "sichuan/1", 2, NOW)
    later(kept, NOW + DAY)
    assert not has_key(kept, complaint_subject("sichuan/1"))


def test_an_erasure_that_waited_is_done_later_where_its_keys_cannot_be_noted_yet(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sequence[bytes]) -> None:
        raise Refused(Reason.REASON_STORE_UNAVAILABLE)

    document_id, subject = document(kept, "paper"), number_subject(kept.tx, THEIRS)
    hold(kept, f"document/{document_id}", 1)
    say(kept, "guangdong", f"document/{document_id}", OrderErasure())
    hold(kept, f"document/{document_id}", 2, NOW)
    with monkeypatch.context() as patched:
        patched.setattr(kept.context.erased_keys, "add", fail)
        with pytest.raises(Refused, match="STORE_UNAVAILABLE"):
            later(kept, NOW + DAY)
    assert has_key(kept, subject)


def test_an_erasure_that_waited_is_not_done_for_a_region_that_is_no_longer_the_home(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaint(kept, "sichuan/1", "sichuan")
    hold(kept, "sichuan/1", 1)
    say(kept, "guangdong", "sichuan/1", OrderErasure())
    hold(kept, "sichuan/1", 2, NOW)
    exceptions = [configuration_pb2.NumberException(number=THEIRS, region="henan")]
    plan = NumberPlan(configuration_pb2.NumberPlan(exceptions=exceptions))
    with monkeypatch.context() as patched:
        patched.setattr(kept.context.federation, "number_plan", plan)
        later(kept, NOW + DAY)
        assert has_key(kept, complaint_subject("sichuan/1"))
    say(kept, "guangdong", "sichuan/1", OrderErasure())
    assert not has_key(kept, complaint_subject("sichuan/1")), "nothing else was in its way"


def test_the_region_that_leads_a_case_erases_nothing_of_which_the_home_region_has_not_spoken(kept: Archive) -> None:
    open_item = WorkItem(ticket_id="henan/1/1", region="sichuan")
    complaint(kept, "henan/1/1", "sichuan", case_id="henan/1", items=[open_item])
    document(kept, "paper")
    say(kept, "henan", "henan/1/1", OrderErasure())
    later(kept, NOW + DAY)
    assert has_key(kept, complaint_subject("henan/1/1"))
    kept.tx.execute("DELETE FROM timers WHERE kind = :kind", kind=COMPLAINTS.ended_timer)
    say(kept, "guangdong", "status/1", told(THEIRS))
    later(kept, NOW + 2 * DAY)
    assert not has_key(kept, complaint_subject("henan/1/1"))


def test_a_hold_that_came_before_what_it_names_counts_for_the_home_region_alone(kept: Archive) -> None:
    update = HoldUpdate(version=1)
    say(kept, "henan", "legal-hold/document/sichuan/counter/paper", update)
    say(kept, "henan", "legal-hold/sichuan/1", update)
    assert kept.count("holds_of_others") == 1, "what this region gives names to is here, or is gone"
    document_id = document(kept, "paper")
    say(kept, "guangdong", f"document/{document_id}", OrderErasure())
    assert kept.count("document_files") == 0


def test_the_index_of_a_number_is_found_nowhere_once_everything_about_it_is_erased(kept: Archive) -> None:
    index, subject = number_index(kept.tx, LINE.number), number_subject(kept.tx, LINE.number)
    order_id = kept.order("1", NOW, OrderState.ORDER_STATE_COMPLETED)
    complaint(kept, "sichuan/1", "sichuan", request=ComplaintRequest(number=LINE.number))
    fault = Fault(id="sichuan/F1", version=1, report=FaultReport(number=LINE.number), create_time=to_timestamp(NOW))
    fault.outages.add(start_time=fault.create_time, end_time=fault.create_time)
    insert_fault(kept.tx, FaultRow(fault, ""), 1, NOW)
    asked = SupportRequest(id="sichuan/S1", version=1, inquiry=SupportInquiry(number=LINE.number))
    asked.create_time.CopyFrom(to_timestamp(NOW))
    SUPPORT_ROWS.insert(kept.tx, SupportRow(asked, ""), 1, NOW)
    document(kept, "paper", LINE.number)
    tell(kept.tx, Notice("1", "bill", LINE.number, LocalizedText(en="something")), NOW)
    insert = (
        "INSERT INTO import_rejections (sha256, number, reason, parameters, subject) VALUES ('', 1, 1, '', :subject)"
    )
    kept.tx.execute(insert, subject=subject)
    noted = ComplaintNoted(ticket_id="henan/1", number=LINE.number, category="OTHER", create_time=to_timestamp(NOW))
    keep_indexed(kept.tx, noted, "")
    assert found_in(kept, index) >= {"orders", "complaints", "faults", "support_requests", "document_files", "notices"}
    subjects = [order_subject(order_id), complaint_subject("sichuan/1"), "fault/sichuan/F1", "support/sichuan/S1"]
    destroy(kept.tx, kept.registry, [*subjects, subject], NOW)
    assert found_in(kept, index) == set()


def found_in(kept: Archive, index: str) -> set[str]:
    """The tables in which an index stands."""
    names = kept.tx.all(str, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {
        name
        for name in names
        if any(index in str(cell) for row in kept.tx.all(lambda *row: row, f"SELECT * FROM {name}") for cell in row)
    }
