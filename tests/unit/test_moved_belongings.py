"""Documents, agreements and complaints of a customer who moves: what a new home believes, and what becomes of each."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import NumberException
from gateway.api.federation.v1.configuration_pb2 import NumberPlan as NumberPlanFile
from gateway.api.region.v1.agreement_pb2 import Agreement
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted, ComplaintRepeats
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove
from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.region.v1.document_envelopes_pb2 import DocumentHome, DocumentNotification, DocumentsWanted
from gateway.api.region.v1.document_service_pb2 import DocumentUpload, RegisteredDocument
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan
from gateway.relay.border import Command
from gateway.store.timers import Timer, due_timers
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import moved as complaints
from region_node.care.complaints import remote_repeats
from region_node.care.complaints.index_rows import indexed_about, keep_indexed
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.remote_repeats_relayed import JoiningEnvelopes
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.customers.documents import moved as documents
from region_node.customers.documents import uploads
from region_node.customers.documents.files import REGISTERED, StoredFile, find_file, insert_file
from region_node.customers.documents.register import take_note
from region_node.customers.documents.rows import find_document
from region_node.customers.documents.rules import attested
from region_node.customers.messages import customer_message
from region_node.customers.rows import CustomerRow, insert_line
from region_node.customers.taking_over import new_customer
from region_node.lifecycle.moving import operations, rules
from region_node.network.agreements import moved as agreements
from region_node.network.agreements.rows import in_force, insert_agreement, list_agreements, running_of
from region_node.node.subjects import number_index, number_subject
from region_node.requests.checks import TEXT_LIMIT
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

DAY = timedelta(days=1)
OPEN = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
LOST = SuspensionKind.SUSPENSION_KIND_LOST
INVALID = Reason.REASON_ENVELOPE_INVALID


@pytest.fixture(name="home")
def a_home_with_the_customer() -> Iterator[Archive]:
    with archive() as found:
        found.customer()
        insert_line(found.tx, LINE)
        yield found


def registered(document_id: str = "henan/counter/paper", code: str = "ID_ORIG") -> RegisteredDocument:
    """A document as the former home has it in its register."""
    return RegisteredDocument(
        document_id=document_id,
        code=code,
        region=document_id.partition("/")[0],
        verifier="clerk-7",
        verify_time=to_timestamp(NOW - DAY),
        media_type="image/png",
        size=9,
        keyed_hash=b"k" * 32,
        register_time=to_timestamp(NOW - DAY),
    )


def promised(product_id: str = LINE.product_id, service: str = "lines-chengdu-zhengzhou") -> Agreement:
    """An agreement that runs since yesterday."""
    return Agreement(
        id="henan/agreement-4",
        customer_id="theirs",
        product_id=product_id,
        service=service,
        monthly_charge=Money(minor_units=100, currency="CNY"),
        start_time=to_timestamp(NOW - DAY),
    )


def test_a_moved_document_keeps_the_hash_that_orders_name_and_tells_of_the_person_once_registered_anew(
    home: Archive,
) -> None:
    named = attested(registered())
    documents.take_over(home.tx, LINE.customer_id, [registered()], "guangdong", NOW)
    told = DocumentNotification(document_id="henan/counter/paper", number=LINE.number)
    told.registration.code, told.registration.sha256 = "ID_ORIG", b"s" * 32
    told.registration.verify_time.CopyFrom(to_timestamp(NOW - DAY))
    told.registration.identity_number = "510101199001011234"
    for _ in range(2):
        take_note(home.tx, home.context, told, "henan", NOW)
        row = find_document(home.tx, told.document_id)
        assert row is not None
        assert attested(row.message()) == named
        assert row.identity_hash


def test_documents_that_no_register_has_refuse_the_whole_hand_over() -> None:
    documents.require_handed_over([registered(), registered("guangdong/counter/paper")])
    stolen, short, unknown, undated = registered(), registered(), registered(code="a b"), registered()
    stolen.region = "guangdong"
    short.keyed_hash = b"k"
    undated.ClearField("verify_time")
    many = [registered(f"henan/counter/{index}") for index in range(documents.MOST_HANDED_OVER + 1)]
    for wrong in ([stolen], [short], [unknown], [undated], [registered()] * 2, many):
        with pytest.raises(Refused) as refused:
            documents.require_handed_over(wrong)
        assert refused.value.reason == INVALID


@pytest.mark.parametrize("letter", ["x", "名"])
def test_a_customer_takes_every_text_along_that_an_order_may_have_written(letter: str) -> None:
    text = letter * TEXT_LIMIT
    customer, line = CustomerRow(LINE.customer_id, text, text), LINE.suspended(LOST, text)
    taken = new_customer(customer_message(customer, line, (), Money(currency="CNY")), "CNY")
    assert (taken.customer.name, taken.customer.email, taken.line.suspension_reason) == (text, text, text)
    longer = replace(customer, name=f"{text}.")
    with pytest.raises(Refused):
        new_customer(customer_message(longer, line, (), Money(currency="CNY")), "CNY")


def test_a_document_of_a_material_that_the_configuration_has_not_moves_with_its_customer_and_is_registered(
    home: Archive,
) -> None:
    code = "PERMIT_OF_BEFORE"
    assert code not in home.context.federation.material_codes
    documents.require_handed_over([registered(code=code)])
    told = DocumentNotification(document_id="henan/counter/paper", number=LINE.number)
    told.registration.code, told.registration.sha256 = code, b"s" * 32
    told.registration.verify_time.CopyFrom(to_timestamp(NOW - DAY))
    take_note(home.tx, home.context, told, "henan", NOW)
    row = find_document(home.tx, told.document_id)
    assert row is not None
    assert row.message().code == code
    told.registration.code = "a b"
    with pytest.raises(Refused):
        take_note(home.tx, home.context, told, "henan", NOW)


def test_only_the_home_has_a_document_registered_elsewhere_and_its_content_outlives_the_customer_there(
    home: Archive,
) -> None:
    named = DocumentUpload(number=LINE.number, code="ID_ORIG", size=9, verify_time=to_timestamp(NOW))
    file = StoredFile(
        "sichuan/counter/p", "customer/gone", number_index(home.tx, LINE.number), "h", 9, 9, REGISTERED, "henan"
    )
    insert_file(home.tx, file, named.SerializeToString(), NOW)
    told = DocumentHome(document_id=file.document_id, number=LINE.number, move_id="henan/a/m", to_region="guangdong")
    with pytest.raises(Refused) as refused:
        documents.require_home(home.tx, told, "guangdong-2")
    assert refused.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED
    documents.require_home(home.tx, told, "henan")
    documents.register_anew(home.tx, home.context, told, NOW)
    sent = home.tx.all(str, "SELECT envelope_id FROM outbox")
    assert sent == ["sichuan/counter/p#register/henan/a/m>guangdong"]
    for timer in [each for each in _due(home) if each.kind == documents.SEALING_TIMER]:
        documents.sealing_is_due(home.tx, timer, NOW)
    after = find_file(home.tx, file.document_id)
    assert after is not None
    assert (after.home, after.subject) == ("guangdong", number_subject(home.tx, LINE.number))
    assert DocumentUpload.FromString(after.opened_name(home.tx)) == named


def test_a_home_that_took_a_customer_over_once_more_gets_again_what_was_registered_with_it_and_no_other_does(
    home: Archive,
) -> None:
    subject, index = number_subject(home.tx, LINE.number), number_index(home.tx, LINE.number)
    named = DocumentUpload(number=LINE.number, code="ID_ORIG", size=9, verify_time=to_timestamp(NOW))
    named.sha256 = b"s" * 32
    for name, sealed_by in (("p", subject), ("q", "customer/of-then"), ("r", subject)):
        told_to = "guangdong" if name == "r" else "henan"
        file = StoredFile(f"sichuan/counter/{name}", sealed_by, index, name, 9, 9, REGISTERED, told_to)
        insert_file(home.tx, file, named.SerializeToString(), NOW)
    ids = ["sichuan/counter/q", "sichuan/counter/r", "sichuan/counter/gone"]
    wanted = DocumentsWanted(numbers=[LINE.number], document_ids=ids, move_id="sichuan/a/m")
    for asking, time in (("guangdong-2", NOW), ("henan", NOW), ("henan", NOW), ("henan", NOW + DAY)):
        documents.register_again(home.tx, home.context, wanted, (asking, asking), time)
    sent = [each.rpartition("/") for each in home.tx.all(str, "SELECT envelope_id FROM outbox ORDER BY envelope_id")]
    told = [f"sichuan/counter/{name}#register/sichuan/a/m" for name in ("p", "p", "q", "q")]
    assert [each[0] for each in sent] == told, "once for each time that it asks"
    documents.register_again(home.tx, home.context, wanted, ("henan", "sichuan"), NOW)
    assert find_document(home.tx, "sichuan/counter/p") is not None, "verified here for the former home"
    assert find_document(home.tx, "sichuan/counter/r") is None


def test_a_document_of_one_who_came_back_goes_on_before_the_word_of_the_former_home_and_a_report_there_again(
    home: Archive,
) -> None:
    named = DocumentUpload(number=LINE.number, code="ID_ORIG", size=9, verify_time=to_timestamp(NOW))
    index = number_index(home.tx, LINE.number)
    file = StoredFile("sichuan/counter/p", "customer/gone", index, "h", 9, 9, REGISTERED, "henan")
    insert_file(home.tx, file, named.SerializeToString(), NOW)
    documents.take_over(home.tx, LINE.customer_id, [registered(file.document_id)], "henan", NOW)
    told = DocumentHome(number=LINE.number, move_id="sichuan/a/m3", to_region="guangdong")
    documents.give_up(home.tx, home.context, LINE.customer_id, told, NOW)
    assert home.tx.all(str, "SELECT home FROM document_files") == ["guangdong"]
    report = DocumentNotification(document_id=file.document_id, number=LINE.number)
    report.withdrawal.withdraw_time.CopyFrom(to_timestamp(NOW))
    for asked, moved_to in (("guangdong", "henan"), ("henan", "guangdong"), ("guangdong", "henan")):
        envelope_id = f"{file.document_id}#register/sichuan/a/m3>{asked}"
        content = EnvelopeContent(id=envelope_id, destination=asked, payload=report.SerializeToString())
        receipt = ReceiptContent(outcome=Outcome.OUTCOME_MOVED, moved_to=moved_to)
        uploads.answered(home.tx, home.context, content, receipt, NOW)
    sent = home.tx.all(str, "SELECT envelope_id FROM outbox ORDER BY envelope_id")
    assert sent == [
        f"{file.document_id}#register/sichuan/a/m3/again>guangdong",
        f"{file.document_id}#register/sichuan/a/m3/again>henan",
        f"{file.document_id}#register/sichuan/a/m3>guangdong",
        f"{file.document_id}#register/sichuan/a/m3>henan",
    ]


def test_an_agreement_goes_on_from_the_move_by_its_terms_and_one_of_another_line_is_refused(home: Archive) -> None:
    products = {"theirs-1": LINE}
    later = promised("theirs-1", "other")
    later.start_time.CopyFrom(to_timestamp(NOW + DAY))
    agreements.take_over(home.tx, home.context, [promised("theirs-1"), later], products, NOW, NOW)
    first, second = sorted(running_of(home.tx, LINE.product_id, NOW), key=lambda each: each.start_time.seconds)
    assert [from_timestamp(each.start_time) for each in (first, second)] == [NOW, NOW + DAY]
    assert (first.former_id, first.number) == ("henan/agreement-4", LINE.number)
    assert first.id != second.id
    foreign, dollars = promised("product-7"), promised("theirs-1")
    dollars.monthly_charge.currency = "USD"
    for wrong in ([foreign], [dollars], [promised("theirs-1")] * 2):
        with pytest.raises(Refused) as refused:
            agreements.require_handed_over(home.context, wrong, products)
        assert refused.value.reason == INVALID


def test_an_agreement_that_ends_and_its_successor_move_together_and_keep_their_ids_when_they_come_again(
    home: Archive,
) -> None:
    products, (first, second) = {"theirs-1": LINE}, (promised("theirs-1"), promised("theirs-1"))
    first.id = "henan/agreement-9"  # stands behind its successor in the order of ids
    first.end_time.CopyFrom(to_timestamp(NOW + DAY))
    second.start_time.CopyFrom(first.end_time)
    told, ids = [second, first], list[list[str]]()
    for _ in range(2):
        agreements.require_handed_over(home.context, told, products)
        agreements.take_over(home.tx, home.context, told, products, NOW, NOW)
        taken = sorted(running_of(home.tx, LINE.product_id, NOW), key=lambda each: each.start_time.seconds)
        assert [each.former_id for each in taken] == [first.id, second.id]
        ids.append([each.id for each in taken])
        home.tx.execute("DELETE FROM agreements")
    agreements.take_over(home.tx, home.context, [promised("theirs-1")], products, NOW, NOW)
    assert ids == [[running_of(home.tx, LINE.product_id, NOW)[0].id, ids[0][1]]] * 2
    first.end_time.CopyFrom(to_timestamp(NOW + 2 * DAY))
    with pytest.raises(Refused):
        agreements.require_handed_over(home.context, told, products)


def test_a_moved_agreement_that_has_ended_is_not_in_force_and_does_not_move_again(home: Archive) -> None:
    products, (first, second) = {"theirs-1": LINE}, (promised("theirs-1"), promised("theirs-1"))
    end = NOW + DAY
    first.end_time.CopyFrom(to_timestamp(end))
    second.start_time.CopyFrom(first.end_time)
    agreements.take_over(home.tx, home.context, [first, second], products, NOW, NOW)
    for former in (False, True):
        if former:
            home.tx.execute("UPDATE agreements SET end_time = NULL")
        [successor] = agreements.to_hand_over(home.tx, LINE.product_id, end + 60 * DAY)
        assert from_timestamp(successor.start_time) == end
        assert in_force(home.tx, LINE.product_id, first.service, end) == successor.id
    agreements.give_up(home.tx, home.context, LINE.product_id, end + 60 * DAY, end + 60 * DAY)
    ends = {from_timestamp(each.start_time): from_timestamp(each.end_time) for each in all_of(home)}
    assert ends == {NOW: end, end: end + 60 * DAY}


def all_of(home: Archive) -> list[Agreement]:
    """Every agreement of the line."""
    found = list_agreements(home.tx, LINE.product_id, "", None, 9)
    return [each.agreement for each in found if each.agreement is not None]


def test_the_old_home_ends_an_agreement_at_the_moment_of_the_move_and_never_begins_a_later_one(home: Archive) -> None:
    later = promised(service="other")
    later.id = "henan/agreement-5"
    later.start_time.CopyFrom(to_timestamp(NOW + DAY))
    insert_agreement(home.tx, promised(), 4)
    insert_agreement(home.tx, later, 5)
    agreements.give_up(home.tx, home.context, LINE.product_id, NOW, NOW)
    assert running_of(home.tx, LINE.product_id, NOW + DAY) == []


def complaint(home: Archive, ticket_id: str, category: str = "BILL_WRONG", **changes: object) -> None:
    """A complaint about the line, as this region has it."""
    row = Complaint(ticket_id=ticket_id, owner_region="sichuan", state=OPEN, home_region="sichuan")
    row.origin_region, row.request.number, row.request.category = ticket_id.partition("/")[0], LINE.number, category
    row.create_time.CopyFrom(to_timestamp(NOW))
    row.MergeFrom(Complaint(**changes))  # type: ignore[arg-type]
    add_complaint(home.tx, ComplaintRow(row, ""), 0, NOW)


def test_the_new_home_counts_complaints_of_all_regions_and_the_old_one_forgets_the_reports_of_others(
    home: Archive,
) -> None:
    complaint(home, "sichuan/20311124-1")
    complaint(home, "sichuan/20311124-1/1", case_id="sichuan/20311124-1")
    complaint(home, "sichuan/20311124-2", category="")
    complaint(home, "henan/20311124-3", state=ComplaintState.COMPLAINT_STATE_CANCELLED)
    noted = ComplaintNoted(ticket_id="guangdong/20311124-4", number=LINE.number, category="BILL_WRONG")
    noted.create_time.CopyFrom(to_timestamp(NOW))
    keep_indexed(home.tx, noted, "")
    told = complaints.to_hand_over(home.tx, LINE.number)
    assert {each.ticket_id: each.withdrawn for each in told} == {
        "sichuan/20311124-1": False,
        "henan/20311124-3": True,
        "guangdong/20311124-4": False,
    }
    complaints.require_handed_over(told, [LINE.number])
    complaints.give_up(home.tx, LINE.number)
    assert indexed_about(home.tx, LINE.number) == []
    complaints.take_over(home.tx, home.context, told)
    assert [each.region for each in indexed_about(home.tx, LINE.number)] == ["guangdong", "henan"], "own ones are here"
    foreign, nameless = ComplaintNoted(), ComplaintNoted()
    foreign.CopyFrom(told[0])
    nameless.CopyFrom(told[0])
    foreign.number, nameless.ticket_id = "+8619851000009", "x"
    for wrong in ([foreign], [nameless], [told[0]] * (complaints.MOST_HANDED_OVER + 1)):
        with pytest.raises(Refused):
            complaints.require_handed_over(wrong, [LINE.number])


def test_a_change_of_category_is_reported_to_the_new_home_and_repeats_are_believed_of_it(
    home: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = NumberPlan(NumberPlanFile(exceptions=[NumberException(number=LINE.number, region="guangdong")]))
    monkeypatch.setattr(home.context.federation, "number_plan", plan)
    complaint(home, "sichuan/20311124-1")
    row = find_complaint(home.tx, "sichuan/20311124-1")
    assert row is not None
    for _ in range(2):
        noted = ComplaintNoted(ticket_id="sichuan/20311124-1", number=LINE.number, setting=1)
        remote_repeats.note_at_home(home.tx, home.context, row, noted, "guangdong", NOW)
    assert home.tx.all(str, "SELECT envelope_id FROM outbox") == ["sichuan/20311124-1#noted1>guangdong"]
    command = JoiningEnvelopes(home.context).kinds()[EnvelopeKind.ENVELOPE_KIND_COMPLAINT_REPEATS]
    assert isinstance(command, Command)
    told = ComplaintRepeats(
        ticket_id="sichuan/20311124-1",
        category="BILL_WRONG",
        repeated_ticket_id="guangdong/20311123-1",
        repeats=1,
    )
    content = EnvelopeContent(
        id="sichuan/20311124-1#r>sichuan", origin="guangdong", subject=told.ticket_id, payload=told.SerializeToString()
    )
    assert command.act(home.tx, content, NOW).outcome == Outcome.OUTCOME_ACCEPTED
    content.origin = "henan"
    with pytest.raises(Refused) as refused:
        command.act(home.tx, content, NOW)
    assert refused.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


def test_a_time_that_cannot_be_refuses_a_hand_over_for_good() -> None:
    good = CustomerHandOver(documents=[registered()], agreements=[promised()])
    rules.require_times(good)
    for place in (good.documents[0].expire_time, good.agreements[0].end_time):
        place.seconds = 10**15
        with pytest.raises(Refused) as refused:
            rules.require_times(good)
        assert refused.value.reason == INVALID
        place.seconds = 0
    good.move.create_time.CopyFrom(to_timestamp(NOW))
    good.move.change_time.CopyFrom(to_timestamp(NOW - DAY))
    with pytest.raises(Refused) as refused:
        rules.require_times(good)
    assert refused.value.reason == INVALID, "a confirmation before the request would have past months stated"


def test_a_customer_with_too_much_for_one_hand_over_hears_of_it_before_anything_is_frozen(
    home: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = CustomerMove(id="sichuan/counter/m", to_region="guangdong")
    asked.lines.add(number=LINE.number, plan_id="guangdong-79")
    monkeypatch.setattr(operations, "_require_region", lambda registry, region: None)
    for index in range(150):
        insert_agreement(home.tx, _numbered(index), index)
    with pytest.raises(Refused) as refused:
        operations.start(home.tx, home.registry, asked, LINE.number, NOW)
    assert refused.value.reason == Reason.REASON_MOVE_TOO_LARGE
    assert home.tx.all(str, "SELECT move_id FROM customer_moves") == []


def _numbered(index: int) -> Agreement:
    agreement = promised(service=f"line-{index}" + "x" * 400)
    agreement.id = f"sichuan/agreement-{index}"
    agreement.customer_id = LINE.customer_id
    return agreement


def _due(home: Archive) -> list[Timer]:
    return due_timers(home.tx, NOW)
