"""Legal holds across regions: the recipients of the home region, once each, and data here for another region."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, WorkItem
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan
from gateway.relay.border import Command
from gateway.time.clock import to_timestamp
from region_node.care.complaints.index_rows import keep_indexed
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import ComplaintRow
from region_node.customers.documents.files import REGISTERED, StoredFile, insert_file
from region_node.customers.rows import insert_line
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.holds.relayed import HoldEnvelopes
from region_node.lifecycle.holds.sending import send_hold, send_holds
from region_node.node.subjects import number_index
from region_node.requests.auditing import AuditedCall
from tests.unit.purging import LONG_AGO, NOW, Archive, archive
from tests.unit.situations import LINE

OLD, TOMORROW = NOW - LONG_AGO, NOW + timedelta(days=1)
STAFF = AuditedCall("region/sichuan/staff/chen", "chen", NOW)
FILE = "sichuan/counter/paper"


@pytest.fixture(name="kept")
def an_archive() -> Iterator[Archive]:
    with archive() as found:
        found.night(NOW)  # the timer finds when the night begins
        yield found


def told(kept: Archive) -> list[str]:
    """The envelopes of the reports, in order."""
    sql = "SELECT envelope_id FROM outbox WHERE kind = ? ORDER BY 1"
    return [row[0] for row in kept.connection.execute(sql, (EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD,))]


def foreign_document(kept: Archive, name: str = FILE, number: str = "+8613900000007") -> None:
    """The content of a document of one of Guangdong's customers that was verified here long ago."""
    file = StoredFile(name, "number/x", number_index(kept.tx, number), "", 1, 1, REGISTERED, "guangdong")
    insert_file(kept.tx, file, DocumentUpload().SerializeToString(), OLD)


def command(kept: Archive) -> Command:
    """The handler of the kind of envelope."""
    found = HoldEnvelopes(kept.registry).kinds()[EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD]
    assert isinstance(found, Command)
    return found


def say(
    kept: Archive, subject: str, version: int = 1, *, end: datetime | None = None, origin: str = "guangdong"
) -> None:
    """A region says until when something is to be kept."""
    update = HoldUpdate(version=version, end_time=to_timestamp(end) if end is not None else None)
    content = EnvelopeContent(
        subject=f"legal-hold/{subject}", origin=origin, destination="sichuan", payload=update.SerializeToString()
    )
    command(kept).act(kept.tx, content, NOW)


def test_a_region_that_keeps_something_is_told_once_of_each_change(kept: Archive) -> None:
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    order_id = kept.order("old", NOW, OrderState.ORDER_STATE_COMPLETED)
    envelope = f"legal-hold/{order_id}#{{}}>guangdong"
    send_hold(kept.tx, kept.registry, customer, NOW)
    assert told(kept) == [], "nothing holds"
    holds.hold(kept.tx, customer, "court/1", NOW + timedelta(days=30), STAFF, kept.revocations)
    for _ in range(2):
        send_hold(kept.tx, kept.registry, customer, NOW)
        send_holds(kept.tx, kept.registry, NOW)
    assert told(kept) == [envelope.format(1)]
    holds.hold(kept.tx, customer, "court/2", None, STAFF, kept.revocations)
    send_hold(kept.tx, kept.registry, customer, NOW)
    kept.released(customer, "court/1", STAFF)
    send_hold(kept.tx, kept.registry, customer, NOW)
    assert told(kept) == [envelope.format(1), envelope.format(2)], "the other one lasts longer all the time"
    kept.released(customer, "court/2", STAFF)
    for _ in range(2):
        send_hold(kept.tx, kept.registry, customer, NOW)
    assert told(kept) == [envelope.format(each) for each in (1, 2, 3)]


def test_a_complaint_that_another_region_took_in_is_held_there_and_where_it_is_answered(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    noted = ComplaintNoted(ticket_id="guangdong/1", number=LINE.number, category="OTHER", create_time=to_timestamp(NOW))
    keep_indexed(kept.tx, noted, "")
    holds.hold(kept.tx, customer, "court/1", None, STAFF, kept.revocations)
    send_hold(kept.tx, kept.registry, customer, NOW)
    assert told(kept) == ["legal-hold/guangdong/1#1>guangdong"]
    theirs = "+8613900000007"
    plan = configuration_pb2.NumberPlan(
        exceptions=[configuration_pb2.NumberException(number=theirs, region="guangdong")]
    )
    monkeypatch.setattr(kept.context.federation, "number_plan", NumberPlan(plan))
    for handling, owner in (("sichuan", "henan"), ("henan", "sichuan")):
        complaint = Complaint(ticket_id=f"{handling}/2", origin_region=handling, owner_region=owner, version=1)
        complaint.request.number = theirs
        complaint.create_time.CopyFrom(to_timestamp(NOW))
        add_complaint(kept.tx, ComplaintRow(complaint, ""), int(handling == "sichuan"), NOW)
    say(kept, "sichuan/2")
    assert told(kept)[1:] == ["legal-hold/sichuan/2#1>henan"], "of which the home region does not know"
    say(kept, "henan/2", origin="henan")
    assert kept.count("holds_of_others") == 2


def test_a_region_that_has_refused_is_told_anew_in_the_next_night(kept: Archive) -> None:
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    order_id = kept.order("old", NOW, OrderState.ORDER_STATE_COMPLETED)
    holds.hold(kept.tx, customer, "court/1", None, STAFF, kept.revocations)
    send_hold(kept.tx, kept.registry, customer, NOW)
    content = EnvelopeContent(subject=f"legal-hold/{order_id}", origin="sichuan", destination="guangdong")
    for outcome in (Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_REFUSED):
        command(kept).answered(kept.tx, content, ReceiptContent(outcome=outcome), NOW)
        kept.night(TOMORROW)
    kept.night(TOMORROW + timedelta(days=1))
    assert told(kept) == [f"legal-hold/{order_id}#{each}>guangdong" for each in (1, 2)]


def test_what_has_come_to_a_region_since_is_told_in_the_next_night(kept: Archive) -> None:
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    holds.hold(kept.tx, customer, "court/1", None, STAFF, kept.revocations)
    send_hold(kept.tx, kept.registry, customer, NOW)
    order_id = kept.order("later", NOW, OrderState.ORDER_STATE_COMPLETED)
    assert told(kept) == []
    kept.night(TOMORROW)
    kept.night(TOMORROW + timedelta(days=1))
    assert told(kept) == [f"legal-hold/{order_id}#1>guangdong"]


def test_what_another_region_holds_is_kept_until_it_releases_it(kept: Archive) -> None:
    foreign_document(kept)
    foreign_document(kept, "sichuan/counter/other", "+8613900000008")
    say(kept, f"document/{FILE}")
    kept.night(TOMORROW)
    assert kept.count("document_files") == 1
    assert kept.report()["DATA_CLASS_DOCUMENTS"].held == 1
    say(kept, f"document/{FILE}", 2, end=NOW)
    say(kept, f"document/{FILE}", 1)  # comes late, and is no news
    kept.night(TOMORROW + timedelta(days=1))
    assert kept.count("document_files") == 0


def test_a_hold_that_arrives_before_what_it_holds_counts_from_then_on_and_ends_at_its_end(kept: Archive) -> None:
    say(kept, f"document/{FILE}", end=NOW + timedelta(days=10))
    foreign_document(kept)
    kept.night(TOMORROW)
    assert kept.count("document_files") == 1
    kept.night(NOW + timedelta(days=11))
    assert kept.count("document_files") == 0


def test_only_the_home_region_may_hold_what_is_kept_here(kept: Archive) -> None:
    foreign_document(kept)
    order_id = kept.order("own", OLD, OrderState.ORDER_STATE_COMPLETED)
    for subject, origin in ((f"document/{FILE}", "henan"), (order_id, "guangdong")):
        with pytest.raises(Refused) as caught:
            say(kept, subject, origin=origin)
        assert caught.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED
    with pytest.raises(Refused) as caught:
        say(kept, f"document/{FILE}", 0)
    assert caught.value.reason == Reason.REASON_ENVELOPE_INVALID


def test_the_region_that_leads_a_case_tells_those_that_have_a_part_of_it(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "+8613900000007"
    plan = configuration_pb2.NumberPlan(
        exceptions=[configuration_pb2.NumberException(number=number, region="guangdong")]
    )
    monkeypatch.setattr(kept.context.federation, "number_plan", NumberPlan(plan))
    for ticket_id, parent, owner in (("sichuan/1", "", "sichuan"), ("sichuan/1/1", "sichuan/1", "henan")):
        complaint = Complaint(
            ticket_id=ticket_id,
            case_id=parent,
            origin_region="sichuan",
            owner_region=owner,
            version=1,
            state=ComplaintState.COMPLAINT_STATE_IN_PROGRESS,
            items=[] if parent else [WorkItem(ticket_id="sichuan/1/1", region="henan")],
        )
        complaint.request.number = number
        complaint.create_time.CopyFrom(to_timestamp(NOW))
        add_complaint(kept.tx, ComplaintRow(complaint, ""), 0 if parent else 1, NOW)
    for version in (1, 2):
        say(kept, "sichuan/1", version)
    assert told(kept) == ["legal-hold/sichuan/1/1#1>henan"]
