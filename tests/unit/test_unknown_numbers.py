"""Who names many numbers that nobody has is told nothing more until the hour is over."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest
from gateway.api.region.v1.complaint_pb2 import ComplaintRequest
from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.document_envelopes_pb2 import DocumentNotification
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import Refused, retry_seconds
from gateway.relay.envelopes import Answer
from gateway.security.identity import Identity, parse
from gateway.store.port import Operation, Store, Transaction
from gateway.time.clock import Clock
from gateway.values.requesters import SELF_SERVICE
from region_node.business.billing.operations import read_bill
from region_node.business.joint.application import JointApplication
from region_node.business.orders import rules
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.care.anomalies.watching import AnomalyWatch
from region_node.care.complaints import handling
from region_node.customers.disclosures.recording import noted_answer
from region_node.customers.disclosures.rows import DisclosureRow
from region_node.customers.documents.register import take_note
from region_node.customers.documents.rows import documents_of
from region_node.customers.own_readings import OwnReadings
from region_node.customers.profiles import read_profile
from region_node.customers.verification.rows import key_or
from region_node.customers.verification.rules import KEY_BYTES, OTP, Shown, attest
from region_node.node.context import RegionContext
from region_node.node.unknown_numbers import NumberUnknown, Party, UnknownNumbers
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.requests.checks import Questioner
from region_node.requests.dealings import Dealer, count_failure, hour_of, require_few_unknown
from region_node.requests.room import Room
from tests.unit.billing_scene import Books, books
from tests.unit.situations import LINE
from tests.unit.situations import NOW as ORDERED
from tests.unit.test_exposure import request_of, sichuan, submitted

NOW = datetime(2030, 6, 15, 4, 30, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST = {"unknown-numbers-of-staff": 3, "unknown-numbers-of-operator": 6, "unknown-numbers-of-region": 9}
UNKNOWN = Reason.REASON_SUBSCRIPTION_NOT_FOUND
NOBODYS = "+8619851000001"
CLERK, COLLEAGUE = Party("henan", "counter", "clerk-1"), Party("henan", "counter", "clerk-2")
KIOSK, INVENTED = Party("henan", "kiosk", SELF_SERVICE), Party("henan")


def figure(policy: str, other: str) -> int | None:
    return MOST[policy]


def added(counted: UnknownNumbers, party: Party, count: int, hour: int = 7) -> None:
    for _ in range(count):
        counted.note(NumberUnknown(party, hour))


def is_refused(counted: UnknownNumbers, party: Party, own: str = "sichuan", hour: int = 7) -> bool:
    try:
        counted.require_few(figure, own, party, hour, 1)
    except Refused as refused:
        return refused.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY
    return False


def test_a_clerk_an_operator_system_and_a_region_each_have_a_bound() -> None:
    counted = UnknownNumbers()
    added(counted, CLERK, 3)
    assert not is_refused(counted, CLERK), "at the bound"
    added(counted, CLERK, 1)
    assert [is_refused(counted, each) for each in (CLERK, COLLEAGUE, KIOSK)] == [True, False, False]
    added(counted, COLLEAGUE, 3)
    assert [is_refused(counted, each) for each in (COLLEAGUE, KIOSK)] == [True, False], "the operator system as a whole"
    added(counted, INVENTED, 3)
    assert not is_refused(counted, KIOSK), "beyond the bound of its region, it has named none itself"
    added(counted, KIOSK, 1)
    assert is_refused(counted, KIOSK), "now it has"
    assert is_refused(counted, INVENTED)
    assert not is_refused(counted, Party("hubei", "counter"))


def test_the_own_region_has_no_bound_as_a_whole_and_customers_who_act_alone_are_nobody_together() -> None:
    counted = UnknownNumbers()
    added(counted, KIOSK, 5)
    assert not is_refused(counted, KIOSK), "self-service is no member of staff"
    added(counted, INVENTED, 10)
    added(counted, KIOSK, 1)
    assert [is_refused(counted, KIOSK, own) for own in ("sichuan", "henan")] == [True, False]


def test_the_next_hour_begins_anew_and_a_late_word_of_the_last_one_changes_nothing() -> None:
    counted = UnknownNumbers()
    added(counted, CLERK, 4)
    assert is_refused(counted, CLERK)
    assert not is_refused(counted, CLERK, hour=8), "before anything is counted in it"
    added(counted, COLLEAGUE, 1, hour=8)
    added(counted, CLERK, 9, hour=7)
    counted.learn([(CLERK, 9)], 7)
    assert not is_refused(counted, CLERK, hour=8)


def test_a_clock_that_was_ahead_switches_the_bounds_off_for_no_longer_than_it_was_wrong() -> None:
    counted = UnknownNumbers()
    added(counted, CLERK, 1, hour=1000)
    added(counted, CLERK, 4)
    assert is_refused(counted, CLERK)


def test_a_federation_without_the_policies_refuses_nobody() -> None:
    counted = UnknownNumbers()
    added(counted, CLERK, 1000)
    counted.require_few(lambda policy, other: None, "sichuan", CLERK, 7, 1)


PARTIES = st.sampled_from([CLERK, COLLEAGUE, KIOSK, INVENTED, Party("hubei", "counter", "clerk-1")])


@given(st.lists(PARTIES, max_size=12), st.lists(PARTIES, max_size=12))
def test_what_other_processes_have_counted_counts_with_a_look_and_never_twice(
    here: list[Party], elsewhere: list[Party]
) -> None:
    counted, restarted = UnknownNumbers(), UnknownNumbers()
    for party in here:
        added(counted, party, 1)
    stored = [(party, 1) for party in [*here, *elsewhere]]
    for _ in range(2):
        counted.learn(stored, 7)
        restarted.learn(stored, 7)
    assert counted._counted == restarted._counted


def test_names_without_end_take_a_limited_room_and_are_counted_for_their_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("region_node.node.unknown_numbers._KEPT", 5)
    monkeypatch.setattr("region_node.node.unknown_numbers._SYSTEMS", 15)
    counted = UnknownNumbers()
    for number in range(20):
        added(counted, Party("henan", f"invented-{number}", "x"), 1)
    assert len(counted._counted) <= 7
    assert is_refused(counted, Party("henan", "another"))


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 600), (29, 59), (30, 600)])
def test_who_is_refused_comes_again_with_the_next_hour_and_looks_every_ten_minutes_until_then(
    minutes: int, seconds: int
) -> None:
    with books(NOW) as node:
        prober, now = Dealer("henan", "counter", "clerk-1"), NOW + timedelta(minutes=minutes)
        for _ in range(most(node, "staff") + 1):
            count_failure(node.tx, prober, now, UNKNOWN)
        told(node)
        with pytest.raises(Refused) as refused:
            require_few_unknown(node.context, prober, now)
        assert retry_seconds(refused.value) == seconds


class Kept:
    """The books of Sichuan as a store."""

    def __init__(self, node: Books) -> None:
        self._tx = node.tx

    def subscribe(self, event: type[object], listener: object) -> None:
        assert event is NumberUnknown

    async def read(self, operation: Operation[object]) -> object:
        return operation(self._tx)

    write = read


def named(node: Books, dealer: Dealer, count: int) -> None:
    """A dealer is told so often that nobody has a number."""
    for _ in range(count):
        count_failure(node.tx, dealer, NOW, UNKNOWN)


def most(node: Books, party: str) -> int:
    found = node.context.figure(f"unknown-numbers-of-{party}", "henan")
    assert found is not None
    return found


def told(node: Books) -> None:
    """What was committed reaches its listeners."""
    for event in node.tx.events:
        if isinstance(event, NumberUnknown):
            node.context.unknown_numbers.note(event)
    node.tx.events.clear()


def test_beyond_the_bound_an_order_of_another_region_is_refused_before_its_number_is_looked_up() -> None:
    with books(NOW) as node:
        prober = Dealer("henan", "counter", "clerk-1")
        envelopes = OrderEnvelopes(node.orders)
        named(node, prober, most(node, "staff") + 1)
        told(node)
        order = Order(id="henan/counter/1", origin_region="henan", operator="counter", state=rules.ACKNOWLEDGED)
        order.request.business, order.request.number = "SUSPEND", NOBODYS
        order.request.requester.staff_id = "clerk-1"
        order.create_time.FromDatetime(NOW)
        content = EnvelopeContent(
            origin="henan",
            operator="counter",
            subject=order.id,
            payload=OrderSubmission(order=order).SerializeToString(),
        )
        before = node.rows("SELECT COUNT(*) FROM orders")
        with pytest.raises(Refused) as refused:
            envelopes._submitted(node.tx, content, NOW)
        assert refused.value.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY
        order.request.documents.add(code="OTP", verifier="home")
        content.payload = OrderSubmission(order=order).SerializeToString()
        with pytest.raises(Refused) as refused:
            envelopes._submitted(node.tx, content, NOW)
        assert refused.value.reason != Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY, "a proof passes the bounds"
        assert refused.value.reason != UNKNOWN, "once it is verified"
        assert node.rows("SELECT COUNT(*) FROM orders") == before


def test_beyond_the_bound_an_accepted_order_that_is_sent_again_is_answered_and_a_new_one_is_refused() -> None:
    with sichuan() as (tx, orders):
        key = key_or(tx, bytes(KEY_BYTES))
        accepted = submitted(tx, orders, "1", request_of(10))
        for _ in range(2000):
            orders.node.unknown_numbers.note(NumberUnknown(Party("sichuan", "app"), hour_of(ORDERED)))
        assert submitted(tx, orders, "1", request_of(10)) == accepted
        with pytest.raises(Refused) as refused:
            submitted(tx, orders, "2", request_of(10))
        assert refused.value.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY
        proven = request_of(10)
        proven.documents.add(code="OTP", verifier="home")
        with pytest.raises(Refused) as refused:
            submitted(tx, orders, "4", proven)
        assert refused.value.reason == Reason.REASON_NOT_VERIFIED, "an invented proof opens nothing"
        proven.documents[0].CopyFrom(attest(key, "sichuan/app/4", proven.number, "OTP", ORDERED))
        assert submitted(tx, orders, "4", proven).state == rules.COMPLETED


def test_beyond_the_bound_a_question_is_answered_without_a_look_at_the_customer_and_writes_nothing() -> None:
    def look() -> Message:
        raise AssertionError("the number is looked up")

    with books(NOW) as node:
        named(node, Dealer("henan", "counter", "clerk-1"), most(node, "operator") + 1)
        told(node)
        before = node.rows("SELECT * FROM dealings")
        asked = DisclosureRow(DisclosureKind.DISCLOSURE_KIND_BILL_READ, NOW, "henan", "counter", "QRY_BILL")
        answer = noted_answer(node.tx, node.context, Shown("henan/counter/1", NOBODYS), asked, look)
        assert answer == Answer(
            Outcome.OUTCOME_REFUSED,
            reason=Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY,
            parameters={"most": str(most(node, "operator")), "retry_seconds": "1799"},
        )
        assert node.rows("SELECT * FROM dealings") == before
        assert node.rows("SELECT COUNT(*) FROM disclosures") == [(0,)]


def test_beyond_the_bound_a_question_with_the_customers_own_code_is_answered_and_an_invented_one_opens_nothing() -> (
    None
):
    with books(NOW) as node:
        key, counter = key_or(node.tx, bytes(KEY_BYTES)), Dealer("henan", "counter", "clerk-1")
        named(node, counter, most(node, "operator") + 1)
        told(node)
        asked = DisclosureRow(DisclosureKind.DISCLOSURE_KIND_BILL_READ, NOW, "henan", "counter", "QRY_BILL")
        right = attest(key, "henan/counter/1", NOBODYS, OTP, NOW)

        def outcome(subject: str, number: str) -> Reason.ValueType:
            shown = Shown(subject, number, [right])
            return noted_answer(node.tx, node.context, shown, asked, Bill).reason

        assert outcome("henan/counter/1", NOBODYS) == Reason.REASON_UNSPECIFIED
        assert outcome("henan/counter/2", NOBODYS) == Reason.REASON_NOT_VERIFIED, "one code is for one request"
        assert outcome("henan/counter/1", "+8619851000002") == Reason.REASON_NOT_VERIFIED, "and for one number"


def test_a_complaint_about_a_number_that_nobody_has_counts_once_and_beyond_the_bound_tells_nothing_of_it() -> None:
    with books(NOW) as node:
        clerk = Identity("demo.example", Role.ROLE_OPERATOR, "sichuan", "counter")
        asked = ComplaintRequest(
            requester=Requester(staff_id="clerk-1"), number=NOBODYS, category="BILL_WRONG", description="too much"
        )
        filed = handling.file(node.tx, node.context, Caller(clerk, "1", ""), asked, NOW)
        counted = "SELECT operator, staff_id, unknown_numbers FROM dealings"
        assert (filed.number_unassigned, node.rows(counted)) == (True, [("counter", "clerk-1", 1)])
        for _ in range(2000):
            node.context.unknown_numbers.note(NumberUnknown(Party("sichuan", "counter"), hour_of(NOW)))
        silent = handling.file(node.tx, node.context, Caller(clerk, "2", ""), asked, NOW)
        assert (silent.state, silent.number_unassigned) == (filed.state, False)
        assert node.rows(counted) == [("counter", "clerk-1", 1)]


def test_an_invented_code_tells_nobody_of_whom_papers_are_on_file() -> None:
    with books(NOW) as node:
        node.open(LINE)
        key_or(node.tx, bytes(KEY_BYTES))
        paper = DocumentNotification(document_id="henan/counter/1", number=LINE.number)
        paper.registration.code, paper.registration.sha256 = "ID_ORIG", bytes(32)
        paper.registration.verify_time.FromDatetime(NOW)
        take_note(node.tx, node.context, paper, "henan", NOW)
        assert documents_of(node.tx, LINE.customer_id), "a paper is on file"
        invented = Document(code=OTP, verifier="home", keyed_hash=bytes(32))
        invented.verify_time.FromDatetime(NOW)
        alone = Requester(staff_id=SELF_SERVICE, channel=Channel.CHANNEL_APP)
        asker, found = Questioner("henan", "app"), []
        for number in (LINE.number, NOBODYS):
            bill = QueryBillRequest(number=number, month="2030-06", documents=[invented], requester=alone)
            profile = QueryProfileRequest(request_id="1", number=number, documents=[invented], requester=alone)
            bill.applicant = profile.applicant = Applicant.APPLICANT_HOLDER
            for read in (
                partial(read_bill, node.tx, node.context, bill, asker, NOW),
                partial(read_profile, node.tx, node.context, profile, asker, NOW),
            ):
                with pytest.raises(Refused) as refused:
                    read()
                found.append(refused.value.reason)
        assert found == [Reason.REASON_NOT_VERIFIED] * 4


def test_a_process_learns_at_its_next_look_whom_another_one_refuses_and_people_are_told() -> None:
    with books(NOW) as node:
        prober = Dealer("henan", "counter", "clerk-1")
        named(node, prober, most(node, "staff") + 1)
        node.tx.events.clear()  # another process has committed them
        require_few_unknown(node.context, prober, NOW)
        at_now = cast("Clock", SimpleNamespace(now=lambda: NOW))
        watch = AnomalyWatch(node.context, cast("Store", Kept(node)), at_now)
        asyncio.run(watch.look())
        with pytest.raises(Refused, match="UNKNOWN_NUMBERS_TOO_MANY"):
            require_few_unknown(node.context, prober, NOW)
        require_few_unknown(node.context, prober, NOW + HOUR)
        assert [each.count for each in watch.waiting] == [2], "failures, and unknown numbers"


def test_own_readings_are_counted_as_dealings_and_as_failures_and_unknown_numbers_by_their_refusals() -> None:
    def refusing(reason: Reason.ValueType) -> Operation[str]:
        def refuse(tx: Transaction) -> str:
            raise Refused(reason)

        return refuse

    with books(NOW) as node:
        readings, own = OwnReadings(node.context, cast("Store", Kept(node))), Dealer("sichuan", "crm", "clerk-1")
        right = attest(key_or(node.tx, bytes(KEY_BYTES)), "sichuan/crm/1", NOBODYS, OTP, NOW)

        def row_after(shown: Shown, operation: Operation[str]) -> tuple[object, ...]:
            with contextlib.suppress(Refused):
                assert asyncio.run(readings.write(own, shown, NOW, operation)) == "read"
            return node.rows("SELECT SUM(lines), SUM(failures), SUM(unknown_numbers) FROM dealings")[0]

        def read(tx: Transaction) -> str:
            return "read"

        papers = Shown("", NOBODYS)
        assert row_after(papers, read) == (1, 0, 0)
        assert row_after(Shown("sichuan/crm/1", NOBODYS, [right]), read) == (1, 0, 0), "the customer's own reading"
        assert row_after(papers, refusing(Reason.REASON_DOCUMENT_MISSING)) == (1, 1, 0)
        assert row_after(papers, refusing(UNKNOWN)) == (1, 2, 1)
        assert row_after(papers, refusing(Reason.REASON_CUSTOMER_NOT_FOUND)) == (1, 3, 2)
        for uncounted in (Reason.REASON_REQUEST_INVALID, Reason.REASON_STORE_UNAVAILABLE):
            assert row_after(papers, refusing(uncounted)) == (1, 3, 2)
        abroad = Shown("", "+8619844000001")
        assert row_after(abroad, refusing(Reason.REASON_CUSTOMER_NOT_FOUND)) == (1, 3, 2), "its home counts it"
        by_id = Shown("", "")
        assert row_after(by_id, refusing(Reason.REASON_CUSTOMER_NOT_FOUND)) == (1, 4, 2), "an id is no number"


def test_beyond_the_bound_an_own_reading_is_refused_before_its_number_is_looked_up() -> None:
    def look(tx: Transaction) -> None:
        raise AssertionError("the number is looked up")

    with books(NOW) as node:
        readings, own = OwnReadings(node.context, cast("Store", Kept(node))), Dealer("sichuan", "crm", "clerk-1")
        named(node, own, most(node, "staff") + 1)
        told(node)
        before = node.rows("SELECT * FROM dealings")
        with pytest.raises(Refused) as refused:
            asyncio.run(readings.write(own, Shown("", NOBODYS), NOW, look))
        assert refused.value.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY
        assert node.rows("SELECT * FROM dealings") == before


def test_an_order_for_nobodys_number_keeps_its_reason_where_the_store_cannot_count_it() -> None:
    failures = [Reason.REASON_STORE_UNAVAILABLE, UNKNOWN]

    async def write(operation: Operation[object]) -> object:
        raise Refused(failures.pop())

    store = cast("Store", SimpleNamespace(subscribe=lambda *_: None, write=write))
    allowing = SimpleNamespace(require_business=lambda *_: None)
    context = cast("RegionContext", SimpleNamespace(region="sichuan", scopes=allowing))
    room = cast("Room", SimpleNamespace(require=lambda *_, **__: None))
    clock = cast("Clock", SimpleNamespace(now=lambda: NOW))
    application = JointApplication(context, store, clock, Changes(store), room)
    caller = Caller(parse("spiffe://demo.example/region/sichuan/operator/counter", "demo.example"), "1", "")
    with pytest.raises(Refused) as refused:
        asyncio.run(application.submit(caller, OrderRequest(number=NOBODYS), []))
    assert (refused.value.reason, failures) == (UNKNOWN, [])
