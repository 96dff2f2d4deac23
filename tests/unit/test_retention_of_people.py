"""The retention of customers, and of their consents, complaints and documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintNoted
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, EscalationTrigger
from gateway.api.region.v1.customer_service_pb2 import ImportFile, ProductStatus
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.sharing_service_pb2 import ConsentEvidence
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.relay.at_rest import envelope_subject
from gateway.store import vault
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.care.complaints.case_notifier_rows import queue_report
from region_node.care.complaints.import_rows import NewComplaint, insert_complaints
from region_node.care.complaints.index_rows import keep_indexed
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.private_notes import add_private_note
from region_node.care.complaints.rows import (
    ComplaintRow,
    complaint_subject,
    find_complaint,
    next_ticket_number,
    note_escalations,
)
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, transfer
from region_node.customers.documents.files import COMPLETE, REGISTERED, StoredFile, insert_file, note_withdrawal
from region_node.customers.operations import keep_line
from region_node.customers.other_contacts.rows import keep_other_contacts, other_contacts
from region_node.customers.other_contacts.rules import OtherContact
from region_node.customers.rows import Line, find_customer, insert_line
from region_node.customers.sharing.rows import (
    SharingRequest,
    decisions_of,
    insert_grant,
    insert_request,
    is_paper_used,
    withdraw,
)
from region_node.customers.sharing.rules import Decided
from region_node.customers.status import ACTIVE, ERASED, keep_status, status_of
from region_node.lifecycle.erasure.rows import erasure_of
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.retention.purge import PAGE
from region_node.node.subjects import customer_subject, import_subject, number_index, number_subject
from region_node.requests.auditing import AuditedCall
from region_node.requests.importing.progress import Rejection, Taken, rejections_between, take_once
from tests.unit.purging import LONG_AGO, NOW, Archive, archive
from tests.unit.situations import LINE

OLD = NOW - LONG_AGO
TOMORROW = NOW + timedelta(days=1)
CHEN = AuditedCall("staff", "chen", NOW)
CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED


@pytest.fixture(name="kept")
def an_archive() -> Iterator[Archive]:
    with archive() as found:
        found.night(NOW)  # the timer finds when the night begins
        yield found


def complain(
    kept: Archive,
    number: int,
    *,
    state: ComplaintState.ValueType = CLOSED,
    ended: datetime = OLD,
    parent: str = "",
) -> str:
    """A complaint of long ago about the line, with all that there may be about one."""
    ticket_id = f"{parent}/{number}" if parent else f"sichuan/20251101-{number}"
    complaint = Complaint(
        ticket_id=ticket_id, origin_region="sichuan", owner_region="sichuan", state=state, version=1, case_id=parent
    )
    complaint.request.number, complaint.request.description = LINE.number, "no signal"
    complaint.create_time.CopyFrom(to_timestamp(OLD))
    add_complaint(kept.tx, ComplaintRow(complaint, ""), 0 if parent else number, ended)
    reached = complaint.escalations.add(level=2, trigger=EscalationTrigger.ESCALATION_TRIGGER_HALF_USED)
    reached.due_time.CopyFrom(to_timestamp(OLD))
    reached.time.CopyFrom(to_timestamp(OLD))
    note_escalations(kept.tx, ticket_id, [reached])
    add_private_note(kept.tx, ticket_id, "sichuan/chen", "he was angry", OLD)
    attached = StoredFile(
        f"sichuan/counter/{ticket_id}", complaint_subject(ticket_id), "", "", 1, 1, COMPLETE, "", ticket_id
    )
    insert_file(kept.tx, attached, b"photo", OLD)
    return ticket_id


PARTS = ("complaints", "complaint_escalations", "complaint_private_notes", "document_files")


def counts(kept: Archive) -> list[int]:
    return [kept.count(table) for table in PARTS]


def test_a_complaint_goes_with_all_that_is_about_it_and_is_still_counted(kept: Archive) -> None:
    ticket_id = complain(kept, 1)
    assert counts(kept) == [1, 1, 1, 1]
    kept.night(TOMORROW)
    assert counts(kept) == [0, 0, 0, 0]
    assert kept.count("complaint_figures") == 1
    assert not vault.key_ids_of(kept.tx, [complaint_subject(ticket_id)]), "a copy of it cannot be read either"
    assert kept.report()["DATA_CLASS_COMPLAINTS"].removed == 1
    assert next_ticket_number(kept.tx) == 2, "no ticket id is given twice"
    audit.verify(audit.rows(kept.tx))


def test_the_first_complaint_has_the_first_number(kept: Archive) -> None:
    assert next_ticket_number(kept.tx) == 1


Waits = Callable[[Archive, str], object]


@pytest.mark.parametrize(
    "why",
    [
        lambda kept, ticket_id: kept.tx.execute("UPDATE complaints SET due_time = 1"),
        lambda kept, ticket_id: queue_report(kept.tx, ticket_id, 1),
        lambda kept, ticket_id: kept.sent(ticket_id, OLD, closed=False),
        lambda kept, ticket_id: kept.tx.execute(
            "INSERT INTO escalation_notices (ticket_id, level, sink, content, create_time,"
            " due_time, attempts, told_time)"
            " VALUES (:ticket_id, 2, 'webhook', :content, 1, 1, 0, NULL)",
            ticket_id=ticket_id,
            content=b"",
        ),
    ],
    ids=["money is due", "a coordinator is to be told", "an envelope is on its way", "somebody above is to be told"],
)
def test_a_complaint_about_which_something_waits_is_never_purged(kept: Archive, why: Waits) -> None:
    ticket_id = complain(kept, 1)
    why(kept, ticket_id)
    kept.night(TOMORROW)
    assert counts(kept) == [1, 1, 1, 1]
    assert find_complaint(kept.tx, ticket_id) is not None


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_a_complaint_that_came_from_another_region_goes_as_any_other(kept: Archive, is_heard_of: bool) -> None:
    kept.received(complain(kept, 1), OLD)
    if is_heard_of:
        kept.received(complain(kept, 2, ended=NOW), NOW)
    kept.night(TOMORROW)
    left = kept.connection.execute("SELECT ticket_number FROM complaints").fetchall()
    assert left == [(2,)] if is_heard_of else [(1,)], "until then its origin may not have the answer"


def test_a_complaint_counts_from_its_end_and_one_that_is_open_from_nothing(kept: Archive) -> None:
    complain(kept, 1, state=IN_PROGRESS)
    complain(kept, 2, ended=NOW - timedelta(days=300))
    complain(kept, 3)
    kept.night(TOMORROW)
    left = kept.connection.execute("SELECT ticket_number FROM complaints ORDER BY 1").fetchall()
    assert left == [(1,), (2,)]


def test_a_case_goes_as_a_whole_once_all_of_it_has_ended(kept: Archive) -> None:
    case = complain(kept, 1)
    complain(kept, 1, parent=case)
    complain(kept, 2, parent=case, ended=NOW - timedelta(days=300))
    kept.night(TOMORROW)
    assert counts(kept) == [3, 3, 3, 3]
    kept.night(NOW + timedelta(days=1200))
    assert counts(kept) == [0, 0, 0, 0]
    assert kept.count("complaint_events") == 1, "the last one stays, because the next is numbered after it"


def index(kept: Archive, number: int, filed: datetime) -> str:
    """A report of Guangdong on a complaint about the line."""
    noted = ComplaintNoted(ticket_id=f"guangdong/1-{number}", number=LINE.number, category="OTHER")
    noted.create_time.CopyFrom(to_timestamp(filed))
    keep_indexed(kept.tx, noted, "")
    return noted.ticket_id


def indexed(kept: Archive) -> list[str]:
    return [row[0] for row in kept.connection.execute("SELECT ticket_id FROM complaint_index ORDER BY ticket_id")]


def test_what_other_regions_told_of_complaints_goes_by_their_filing_page_by_page(kept: Archive) -> None:
    for number in range(1, PAGE + 3):
        index(kept, number, OLD)
    late, heard = index(kept, 9998, NOW - timedelta(days=300)), index(kept, 9999, OLD)
    kept.received(heard, NOW)
    complain(kept, 1)
    assert kept.night(TOMORROW) > 2
    assert indexed(kept) == [late, heard], "what was said of it may still be asked for"
    assert kept.report()["DATA_CLASS_COMPLAINTS"].removed == PAGE + 3
    assert not vault.key_ids_of(kept.tx, [envelope_subject("guangdong/1-1")])


def test_what_other_regions_told_of_complaints_of_a_held_customer_stays(kept: Archive) -> None:
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    ticket_id = index(kept, 1, OLD)
    holds.hold(kept.tx, customer, "court/1", None, CHEN, kept.revocations)
    kept.night(TOMORROW)
    assert indexed(kept) == [ticket_id]
    assert kept.report()["DATA_CLASS_COMPLAINTS"].held == 1


def test_a_request_outlives_its_complaint(kept: Archive) -> None:
    ticket_id = complain(kept, 1, state=IN_PROGRESS)
    kept.tx.execute(
        "INSERT INTO requests (caller, request_id, digest, order_id, settled, reason, parameters, time)"
        " VALUES ('counter', 'C1', :digest, :ticket_id, 1, 0, '{}', :time)",
        digest=b"",
        ticket_id=ticket_id,
        time=to_microseconds(OLD),
    )
    kept.night(TOMORROW)
    assert kept.count("requests") == 1
    kept.tx.execute("UPDATE complaints SET state = :closed", closed=CLOSED)
    kept.night(TOMORROW + timedelta(days=1))
    assert (kept.count("complaints"), kept.count("requests")) == (0, 0)


def decide(
    kept: Archive,
    grant_id: str,
    when: datetime,
    *,
    granted: bool = True,
    end: datetime | None = None,
    purpose: str = "counter-service",
) -> None:
    decided = Decided(grant_id, "guangdong", purpose, frozenset(), granted, when, end)
    insert_grant(kept.tx, LINE, decided, ConsentEvidence(staff_id="chen"), when)


def left(kept: Archive) -> set[str]:
    return {each.grant_id for each in decisions_of(kept.tx, LINE, "guangdong")}


def test_what_was_decided_goes_when_it_counts_no_more_and_stays_while_it_does(kept: Archive) -> None:
    decide(kept, "replaced", OLD)
    decide(kept, "refused", OLD + timedelta(days=1), granted=False)
    decide(kept, "run out", OLD, end=OLD + timedelta(days=30), purpose="a")
    decide(kept, "withdrawn", OLD, purpose="b")
    withdraw(kept.tx, ["withdrawn"], OLD + timedelta(days=1))
    decide(kept, "in force", OLD, purpose="c")
    decide(kept, "ended lately", OLD, end=NOW - timedelta(days=300), purpose="d")
    kept.night(TOMORROW)
    assert left(kept) == {"refused", "in force", "ended lately"}
    assert kept.report()["DATA_CLASS_CONSENTS"].removed == 3


def test_no_consent_comes_into_force_again_because_the_one_after_it_is_gone(kept: Archive) -> None:
    decide(kept, "without end", OLD)
    decide(kept, "short", NOW - timedelta(days=1500), end=NOW - timedelta(days=1400))
    late = to_microseconds(NOW)  # by a clock that went wrong
    kept.tx.execute("UPDATE sharing_grants SET record_time = :late WHERE grant_id = 'without end'", late=late)
    kept.night(TOMORROW)
    assert left(kept) == {"without end", "short"}


def test_the_consents_of_an_erased_customer_go_once_they_are_old(kept: Archive) -> None:
    kept.customer()
    decide(kept, "in force", OLD)
    keep_status(kept.tx, LINE.customer_id, ERASED)
    kept.night(TOMORROW)
    assert not left(kept)


def test_a_paper_stays_used_after_the_consent_that_was_given_by_it_is_forgotten(kept: Archive) -> None:
    kept.customer()
    for name in ("paper", "other"):
        document(kept, name, expires=NOW + timedelta(days=3000))
    decided = Decided("withdrawn", "guangdong", "counter-service", frozenset(), True, OLD, NOW)
    insert_grant(kept.tx, LINE, decided, ConsentEvidence(staff_id="chen", paper="paper"), OLD)
    withdraw(kept.tx, ["withdrawn"], OLD + timedelta(days=1))
    kept.night(TOMORROW)
    assert not left(kept)
    assert [is_paper_used(kept.tx, each) for each in ("paper", "other")] == [True, False]


def test_an_imported_complaint_counts_from_its_end_there(kept: Archive) -> None:
    for number, closed in ((1, OLD), (2, NOW - timedelta(days=300)), (3, None)):
        complaint = Complaint(
            ticket_id=f"sichuan/1-{number}", owner_region="sichuan", state=CLOSED if closed else IN_PROGRESS
        )
        complaint.create_time.CopyFrom(to_timestamp(OLD))
        row, index = ComplaintRow(complaint, ""), number_index(kept.tx, LINE.number)
        new = NewComplaint(row, number, index, str(number), b"digest", closed)
        insert_complaints(kept.tx, [new], NOW)
    kept.night(TOMORROW)
    assert kept.connection.execute("SELECT ticket_number FROM complaints ORDER BY 1").fetchall() == [(2,), (3,)]


@dataclass(frozen=True)
class _Numbered:
    number: int


def test_the_key_of_what_was_rejected_of_a_file_goes_with_it(kept: Archive) -> None:
    file = ImportFile(sha256=bytes(32), lines=2)
    call = AuditedCall("region/sichuan/staff/chen", "chen", OLD)
    rejections = [
        Rejection(2, Reason.REASON_NUMBER_INVALID, {"number": ""}),
        Rejection(3, Reason.REASON_COMPLAINT_IMPORTED_OTHERWISE, {"complaint": "OLD-1"}, LINE.number),
    ]
    lines = [_Numbered(2), _Numbered(3)]
    take_once(kept.tx, file, lines, "ImportComplaints", call, lambda: Taken(0, rejections))
    told = rejections_between(kept.tx, file.sha256, 2, 3)
    assert [dict(each.parameters) for each in told] == [{"number": ""}, {"complaint": "OLD-1"}]
    assert vault.key_ids_of(kept.tx, [import_subject(file.sha256)])
    vault.destroy(kept.tx, [number_subject(kept.tx, LINE.number)])
    told = rejections_between(kept.tx, file.sha256, 2, 3)
    assert [dict(each.parameters) for each in told] == [{"number": ""}, {}], "with the number whose complaint it was"
    kept.night(TOMORROW)
    assert kept.count("import_rejections") == 0
    assert not vault.key_ids_of(kept.tx, [import_subject(file.sha256)])


def test_the_id_of_a_request_about_sharing_is_known_as_long_as_any_other(kept: Archive) -> None:
    insert_request(kept.tx, "old", SharingRequest("d", None, None), OLD)
    insert_request(kept.tx, "new", SharingRequest("d", None, None), NOW - timedelta(days=1200))
    kept.night(TOMORROW)
    assert kept.connection.execute("SELECT subject FROM sharing_requests").fetchall() == [("new",)]


def end_line(kept: Archive, line: Line, when: datetime) -> None:
    keep_line(kept.tx, replace(line, status=ProductStatus.PRODUCT_STATUS_ACTIVE), when - timedelta(days=1))
    keep_line(kept.tx, replace(line, status=TERMINATED), when)


SECOND = replace(LINE, product_id="product-2", number="+8619851000002")


def test_a_customer_whose_lines_ended_long_ago_is_erased(kept: Archive) -> None:
    kept.customer()
    end_line(kept, LINE, OLD)
    kept.night(TOMORROW)
    assert status_of(kept.tx, LINE.customer_id) == ERASED
    assert find_customer(kept.tx, LINE.customer_id) is None
    assert not vault.key_ids_of(kept.tx, [customer_subject(LINE.customer_id)])
    erased = erasure_of(kept.tx, LINE.customer_id)
    assert erased is not None
    assert kept.count("erased_keys") == erased.keys_destroyed >= 1, "a restored backup does not bring it back"
    assert kept.report()["DATA_CLASS_ENDED_CUSTOMERS"].removed == 1
    assert any(row.action == "EraseCustomer" and row.actor == "timer" for row in audit.rows(kept.tx))
    kept.night(TOMORROW + timedelta(days=1))
    assert kept.report()["DATA_CLASS_ENDED_CUSTOMERS"].removed == 0


@pytest.mark.parametrize(
    "why",
    [
        lambda kept: end_line(kept, SECOND, NOW - timedelta(days=300)),
        lambda kept: insert_line(kept.tx, SECOND),
        lambda kept: insert_line(kept.tx, replace(SECOND, status=TERMINATED)),
        lambda kept: complain(kept, 1, state=IN_PROGRESS),
        lambda kept: ledger.post(
            kept.tx, transfer("p#credit", EntryKind.PAYMENT, 100, debit="cash", credit=LINE.account_id), "CNY", OLD
        ),
    ],
    ids=["ended lately", "in service", "ended nobody knows when", "complains", "has a balance"],
)
def test_a_customer_with_whom_something_is_open_is_never_erased(
    kept: Archive, why: Callable[[Archive], object]
) -> None:
    kept.customer()
    end_line(kept, LINE, OLD)
    why(kept)
    kept.night(TOMORROW)
    assert status_of(kept.tx, LINE.customer_id) == ACTIVE


def give_contact(kept: Archive) -> None:
    keep_other_contacts(kept.tx, LINE.customer_id, [OtherContact("+8613812341234", OLD)])


def test_other_contacts_go_soon_after_the_last_line_ended_and_long_before_the_customer(kept: Archive) -> None:
    kept.customer()
    give_contact(kept)
    end_line(kept, LINE, NOW - timedelta(days=300))
    kept.night(TOMORROW)
    assert (other_contacts(kept.tx, LINE.customer_id), status_of(kept.tx, LINE.customer_id)) == ([], ACTIVE)
    assert kept.report()["DATA_CLASS_OTHER_CONTACTS"].removed == 1


@pytest.mark.parametrize(
    "why",
    [
        lambda kept: insert_line(kept.tx, SECOND),
        lambda kept: end_line(kept, SECOND, NOW - timedelta(days=3)),
        lambda kept: holds.hold(kept.tx, LINE.customer_id, "court/1", NOW + timedelta(days=30), CHEN, kept.revocations),
    ],
    ids=["in service", "ended lately", "held"],
)
def test_other_contacts_stay_while_a_line_may_need_them(kept: Archive, why: Callable[[Archive], object]) -> None:
    kept.customer()
    give_contact(kept)
    end_line(kept, LINE, NOW - timedelta(days=300))
    why(kept)
    kept.night(TOMORROW)
    assert len(other_contacts(kept.tx, LINE.customer_id)) == 1


def test_a_legal_hold_keeps_customers_consents_and_complaints(kept: Archive) -> None:
    kept.customer()
    end_line(kept, LINE, OLD)
    complain(kept, 1)
    decide(kept, "run out", OLD, end=OLD + timedelta(days=30))
    holds.hold(kept.tx, LINE.customer_id, "court/1", NOW + timedelta(days=30), CHEN, kept.revocations)
    kept.night(TOMORROW)
    assert (counts(kept), left(kept)) == ([1, 1, 1, 1], {"run out"})
    assert status_of(kept.tx, LINE.customer_id) == ACTIVE
    report = kept.report()
    for name in ("ENDED_CUSTOMERS", "COMPLAINTS", "CONSENTS"):
        assert (report[f"DATA_CLASS_{name}"].held, report[f"DATA_CLASS_{name}"].removed) == (1, 0)
    kept.night(NOW + timedelta(days=31))
    assert (counts(kept), left(kept)) == ([0, 0, 0, 0], set())
    assert status_of(kept.tx, LINE.customer_id) == ERASED


def document(kept: Archive, name: str, *, expires: datetime | None = None) -> str:
    """The content of a document that was verified here long ago."""
    named = DocumentUpload(expire_time=to_timestamp(expires) if expires is not None else None)
    file = StoredFile(name, "customer/c1", number_index(kept.tx, LINE.number), "", 1, 1, REGISTERED, "sichuan")
    insert_file(kept.tx, file, named.SerializeToString(), OLD)
    kept.tx.execute(
        "INSERT INTO documents (document_id, customer_id, code, region, verifier, verify_time, expire_time, media_type,"
        " size, content_hash, identity_hash, register_time) VALUES (:id, 'c1', 'ID_ORIG', 'sichuan', 'chen', :time,"
        " CAST(:expires AS BIGINT), '', 1, '', '', :time)",
        id=name,
        time=to_microseconds(OLD),
        expires=to_microseconds(expires) if expires is not None else None,
    )
    return name


def test_a_document_that_is_still_good_is_kept_however_long_ago_it_was_verified(kept: Archive) -> None:
    document(kept, "no end")
    document(kept, "expired long ago", expires=OLD + timedelta(days=30))
    document(kept, "expired lately", expires=NOW - timedelta(days=300))
    document(kept, "good", expires=NOW + timedelta(days=300))
    note_withdrawal(kept.tx, document(kept, "found false", expires=NOW + timedelta(days=300)), OLD)
    kept.tx.execute(
        "UPDATE documents SET withdraw_time = :time WHERE document_id = 'found false'", time=to_microseconds(OLD)
    )
    kept.night(TOMORROW)
    for table in ("document_files", "documents"):
        found = kept.connection.execute(f"SELECT document_id FROM {table} ORDER BY 1").fetchall()
        assert found == [("expired lately",), ("good",)], table


def test_a_document_that_was_found_false_lately_is_kept_from_then_on(kept: Archive) -> None:
    note_withdrawal(kept.tx, document(kept, "found false"), NOW - timedelta(days=30))
    kept.night(TOMORROW)
    assert kept.count("document_files") == 1
