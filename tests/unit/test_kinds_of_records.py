"""A new kind of record is erased, held and purged by what it registers; nothing in `lifecycle` knows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus, ErasureReason
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan
from gateway.relay.border import Command, Kinds
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import KINDS
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import ComplaintRow
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import Entry, EntryKind, Posting
from region_node.customers.rows import insert_line, update_line
from region_node.lifecycle.erasure.operations import Named, Request, erase
from region_node.lifecycle.erasure.relayed import ErasureEnvelopes
from region_node.lifecycle.erasure.rows import ErasureRow
from region_node.lifecycle.erasure.status_envelopes import CustomerStatusEnvelopes, record_has_ended
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.holds.relayed import HoldEnvelopes
from region_node.lifecycle.holds.sending import send_hold
from region_node.lifecycle.registry import Registry
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.kinds import (
    AboutNumber,
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
from region_node.records.purging.port import Cut, Page
from region_node.requests.auditing import AuditedCall
from tests.unit.purging import LONG_AGO, NOW, Archive, archive
from tests.unit.situations import LINE

DAY = timedelta(days=1)
THEIRS = "+8613900000007"
CALL = AuditedCall("region/sichuan/staff/chen", "chen", NOW)
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED


@dataclass(frozen=True)
class Visit:
    """A technician at a customer's: a kind of record with a table of its own."""

    visit_id: str
    number: str = field(repr=False)
    is_over: int
    time: int


class Visits:
    """Purges visits that are over, by when they were."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        sql = "SELECT visit_id, number, is_over, time FROM visits WHERE is_over = 1 AND time < :before"
        found = tx.all(Visit, sql, before=cut.before)
        gone = [each for each in found if each.number not in cut.held.numbers]
        tx.execute_many("DELETE FROM visits WHERE visit_id = :id", [{"id": each.visit_id} for each in gone])
        return Page(len(gone), len(found) - len(gone), "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT MIN(time) FROM visits")


def _about(tx: Transaction, number: str) -> list[Visit]:
    sql = "SELECT visit_id, number, is_over, time FROM visits WHERE number = :index"
    return tx.all(Visit, sql, index=number_index(tx, number))


def _require_erasable(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    still_open = [each for number in customer.numbers for each in _about(tx, number) if not each.is_over]
    if still_open:
        raise Refused(Reason.REASON_CUSTOMER_HAS_ORDERS, orders=str(len(still_open)), order=still_open[0].visit_id)


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    found = [each for number in customer.numbers for each in _about(tx, number)]
    return [Kept(each.visit_id, [f"visit/{each.visit_id}"], ["guangdong"]) for each in found]


def _find(tx: Transaction, visit_id: str) -> Visit | None:
    sql = "SELECT visit_id, number, is_over, time FROM visits WHERE visit_id = :id"
    return tx.first(Visit, sql, id=visit_id)


def _ended(tx: Transaction, visit_id: str) -> Ended | None:
    found = _find(tx, visit_id)
    return Ended([visit_id], [f"visit/{visit_id}"], THEIRS, visit_id) if found is not None and found.is_over else None


def _forget(tx: Transaction, visit_id: str) -> None:
    tx.execute("UPDATE visits SET number = '' WHERE visit_id = :id", id=visit_id)


VISITS = RecordKind(
    "visit",
    ErasurePort(
        require_erasable=_require_erasable,
        kept_of=_kept_of,
        forget={"visit": _forget},
        told=lambda tx, context, origin, name: ToErase([f"visit/{name}"]) if _find(tx, name) else None,
        about=lambda tx, number: [AboutNumber(each.visit_id) for each in _about(tx, number)],
        ended=_ended,
    ),
    HoldPort(
        held="SELECT held.subject, number FROM held JOIN visits ON visit_id = held.subject",
        may_hold=lambda tx, context, origin, name: origin == "guangdong" if _find(tx, name) else None,
        elsewhere=lambda tx, context, origin, name: [Elsewhere("henan", name)],
    ),
    RetentionPort(
        purgers={DataClass.DATA_CLASS_NOTICES: Visits()},
        table=Table("visits", "visit_id", "number"),
        is_open=lambda tx, name: (found := _find(tx, name)) is not None and not found.is_over,
    ),
)


@pytest.fixture(name="kept")
def a_region_with_visits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Visits are its only kind of record. THEIRS is the number of a customer of Guangdong."""
    exceptions = [configuration_pb2.NumberException(number=THEIRS, region="guangdong")]
    with archive() as found:
        plan = NumberPlan(configuration_pb2.NumberPlan(exceptions=exceptions))
        monkeypatch.setattr(found.context.federation, "number_plan", plan)
        found.connection.execute("CREATE TABLE visits (visit_id TEXT, number TEXT, is_over INTEGER, time INTEGER)")
        found.registry = Registry(found.context, (VISITS,))
        found.night(NOW)  # the timer finds when the night begins
        yield found


def visit(kept: Archive, name: str, number: str, *, is_over: bool = True, when: datetime = NOW) -> str:
    """A visit, with a key of its own. Returns its subject."""
    index, subject = number_index(kept.tx, number), f"visit/{name}"
    vault.seal(kept.tx, subject, "visits", b"the dog bites")
    kept.tx.execute(
        "INSERT INTO visits (visit_id, number, is_over, time) VALUES (:id, :number, :is_over, :time)",
        id=name,
        number=index,
        is_over=int(is_over),
        time=to_microseconds(when),
    )
    return subject


def asked(name: str) -> Request:
    """A request to erase the customer of the line."""
    reason, channel = ErasureReason.ERASURE_REASON_REQUESTED, Channel.CHANNEL_COUNTER
    return Request("crm", name, b"d", Named(customer_id=LINE.customer_id), reason, channel)


def say(kept: Archive, kinds: Kinds, subject: str, payload: bytes) -> None:
    """Guangdong says something to this region."""
    ((_, command),) = kinds.items()
    assert isinstance(command, Command)
    command.act(kept.tx, EnvelopeContent(subject=subject, origin="guangdong", payload=payload), NOW)


def later(kept: Archive, now: datetime) -> None:
    """Fires the timer of visits that have ended."""
    handlers = {"visit-ended": lambda tx, timer, now: record_has_ended(tx, kept.registry, VISITS, timer, now)}
    for timer in due_timers(kept.tx, now):
        if timer.kind in handlers:
            fire(kept.tx, timer, handlers, now)


def erased_by_two(kept: Archive) -> ErasureRow:
    """Erases the customer once a second person has confirmed it."""
    waiting = erase(kept.tx, kept.registry, asked("r1"), CALL)
    assert isinstance(waiting, Awaited)
    decide(kept.tx, waiting.approval.approval_id, Decision("another", confirmed=True), kept.revocations, NOW)
    erased = erase(kept.tx, kept.registry, asked("r1"), CALL)
    assert isinstance(erased, ErasureRow)
    return erased


def test_a_kind_that_registers_is_erased_with_the_customer_here_and_elsewhere(kept: Archive) -> None:
    kept.customer()
    insert_line(kept.tx, replace(LINE, status=TERMINATED))
    subject = visit(kept, "v1", LINE.number, is_over=False)
    with pytest.raises(Refused) as refused:
        erase(kept.tx, kept.registry, asked("r1"), CALL)
    assert refused.value.parameters["order"] == "v1", "the kind itself says what stands against it"
    kept.tx.execute("UPDATE visits SET is_over = 1")
    erased_by_two(kept)
    assert not vault.key_ids_of(kept.tx, [subject])
    assert kept.tx.all(str, "SELECT number FROM visits") == [""]
    assert "v1#erase>guangdong" in kept.tx.all(str, "SELECT envelope_id FROM outbox")


def test_a_kind_that_registers_is_erased_by_number_once_it_has_ended_unless_it_is_held(kept: Archive) -> None:
    subjects = [visit(kept, "over", THEIRS), visit(kept, "open", THEIRS, is_over=False)]
    held = visit(kept, "held", "+8613900000008")
    say(kept, HoldEnvelopes(kept.registry).kinds(), "legal-hold/held", HoldUpdate(version=1).SerializeToString())
    assert "legal-hold/held#1>henan" in kept.tx.all(str, "SELECT envelope_id FROM outbox"), "the hold is passed on"
    told = CustomerStatusNotice(numbers=[THEIRS], status=CustomerStatus.CUSTOMER_STATUS_ERASED).SerializeToString()
    say(kept, CustomerStatusEnvelopes(kept.registry).kinds(), "status/1", told)
    later(kept, NOW)
    assert [bool(vault.key_ids_of(kept.tx, [each])) for each in subjects] == [False, True]
    erasures = ErasureEnvelopes(kept.registry).kinds()
    for name, subject, is_kept in (("open", subjects[1], False), ("held", held, True)):
        say(kept, erasures, name, b"")
        assert bool(vault.key_ids_of(kept.tx, [subject])) == is_kept, name


def test_a_kind_that_registers_is_purged_by_its_term_unless_it_is_held(kept: Archive) -> None:
    kept.customer()
    insert_line(kept.tx, LINE)
    for name, number, when in (
        ("old", THEIRS, NOW - LONG_AGO),
        ("new", THEIRS, NOW),
        ("held", LINE.number, NOW - LONG_AGO),
    ):
        visit(kept, name, number, when=when)
    kept.sent("old", NOW - LONG_AGO)
    visit(kept, "open", THEIRS, is_over=False, when=NOW - LONG_AGO)
    kept.sent("open", NOW - LONG_AGO)
    holds.hold(kept.tx, LINE.customer_id, "court/1", None, CALL, kept.revocations)
    send_hold(kept.tx, kept.registry, LINE.customer_id, NOW)
    kept.night(NOW + DAY)
    assert kept.tx.all(str, "SELECT visit_id FROM visits ORDER BY visit_id") == ["held", "new", "open"]
    left = kept.tx.all(str, "SELECT envelope_id FROM outbox ORDER BY envelope_id")
    assert left == ["legal-hold/held#1>guangdong", "open#update"], "of an open record every envelope stays"
    found = kept.report()["DATA_CLASS_NOTICES"]
    assert (found.removed, found.held) == (1, 1)


def test_whatever_stands_against_erasing_a_customer_is_told_in_the_order_of_the_kinds() -> None:
    with archive() as kept:
        kept.customer()
        insert_line(kept.tx, LINE)
        order_id = kept.order("1", NOW, OrderState.ORDER_STATE_IN_PROGRESS)
        complaint = Complaint(ticket_id="sichuan/1", version=1, create_time=to_timestamp(NOW))
        complaint.request.number = LINE.number
        add_complaint(kept.tx, ComplaintRow(complaint, ""), 1, NOW)
        _post(kept.tx, "fee", -1)
        holds.hold(kept.tx, LINE.customer_id, "court/1", None, CALL, kept.revocations)
        expected = (
            (Reason.REASON_CUSTOMER_HAS_LINES, lambda: update_line(kept.tx, replace(LINE, status=TERMINATED))),
            (Reason.REASON_CUSTOMER_HAS_ORDERS, lambda: _delete(kept.tx, "orders", "order_id", order_id)),
            (Reason.REASON_CUSTOMER_HAS_COMPLAINTS, lambda: _delete(kept.tx, "complaints", "ticket_id", "sichuan/1")),
            (Reason.REASON_CUSTOMER_HAS_BALANCE, lambda: _post(kept.tx, "paid", 1)),
            (Reason.REASON_CUSTOMER_ON_HOLD, lambda: kept.released(LINE.customer_id, "court/1", CALL)),
        )
        for reason, settle in expected:
            with pytest.raises(Refused) as refused:
                erase(kept.tx, kept.registry, asked("r1"), CALL)
            assert refused.value.reason == reason
            assert "{" not in str(refused.value)
            settle()
        assert erased_by_two(kept).customer_id == LINE.customer_id


def test_no_two_kinds_share_a_name_or_a_class() -> None:
    names = [each.name for each in KINDS]
    classes = [each for kind in KINDS for each in kind.retention.purgers]
    assert len(set(names)) == len(names)
    assert len(set(classes)) == len(classes)


def _post(tx: Transaction, name: str, amount: int) -> None:
    entries = (Entry(LINE.account_id, amount), Entry("revenue", -amount))
    ledger.post(tx, Posting(name, EntryKind.FEE, entries), "CNY", NOW)


def _delete(tx: Transaction, table: str, column: str, key: str) -> None:
    tx.execute(f"DELETE FROM {table} WHERE {column} = :key", key=key)
