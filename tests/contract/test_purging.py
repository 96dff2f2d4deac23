"""The purge on SQLite and on PostgreSQL: it removes and keeps the same rows."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement
from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinContent
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport, FaultState
from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.quality_service_pb2 import Sample
from gateway.api.region.v1.sharing_service_pb2 import ConsentEvidence
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest, SupportState
from gateway.api.region.v1.survey_pb2 import Survey
from gateway.store.catch_ups import LostCommand, list_lost, lost_after
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import connect
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.app.registered import KINDS
from region_node.business.joint import saga
from region_node.business.joint.rows import (
    JointItemRow,
    JointOrderFilter,
    JointOrderRow,
    insert_item,
    insert_joint_order,
    list_joint_orders,
    next_joint_number,
)
from region_node.care.bulletins import rules as bulletin_rules
from region_node.care.bulletins.kind import BULLETINS
from region_node.care.bulletins.rows import (
    BulletinFilter,
    BulletinRow,
    insert_bulletin,
    list_bulletins,
    next_bulletin_number,
    note_read,
)
from region_node.care.escalations.joint_orders import JOINT_ORDERS
from region_node.care.issues import rules as issue_rules
from region_node.care.issues.kind import ISSUES
from region_node.care.issues.rows import ISSUE_ROWS, IssueRow
from region_node.care.loans import rules as loan_rules
from region_node.care.loans.kind import LOANS
from region_node.care.loans.rows import LOAN_ROWS, LoanRow
from region_node.care.quality import sample_rows
from region_node.care.quality.purging import Samples
from region_node.care.surveys import rows as survey_rows
from region_node.care.surveys.purging import Surveys
from region_node.customers.documents.files import REGISTERED, StoredFile, insert_file
from region_node.customers.documents.purging import Documents
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.other_contacts.rows import keep_other_contacts
from region_node.customers.other_contacts.rules import OtherContact
from region_node.customers.rows import CustomerRow
from region_node.customers.sharing.purging import Consents
from region_node.customers.sharing.rows import SharingRequest, insert_grant, insert_request
from region_node.customers.sharing.rules import Decided
from region_node.customers.status import ACTIVE, ERASED, status_of
from region_node.lifecycle.erasure.destroying import mark_erased
from region_node.lifecycle.holds.operations import held_now, hold
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention.purging_customers import EndedContacts, EndedCustomers
from region_node.lifecycle.retention.purging_envelopes import Envelopes, Requests
from region_node.network.agreements.purging import Agreements
from region_node.network.agreements.rows import end_agreement, insert_agreement, insert_statement
from region_node.network.faults.kind import FAULTS
from region_node.network.faults.rows import EVENTS as FAULT_EVENTS
from region_node.network.faults.rows import (
    FaultFilter,
    FaultRow,
    insert_fault,
    list_faults,
    next_fault_number,
)
from region_node.network.faults.rules import CANCELLED, CLOSED, IN_PROGRESS
from region_node.network.support import rules as support_rules
from region_node.network.support.kind import SUPPORT_REQUESTS
from region_node.network.support.rows import SUPPORT_ROWS, SupportRow
from region_node.records.purging.port import Cut, Page, Purger
from region_node.requests.auditing import AuditedCall
from region_node.schema import PACKAGES
from region_node.tickets.rows import TicketFilter
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.border_kinds import new_loan
from tests.unit.purging import archive
from tests.unit.situations import LINE

OLD = datetime(2025, 11, 1, 8, tzinfo=UTC)
PURGES_FAULTS = FAULTS.retention.purgers[DataClass.DATA_CLASS_FAULTS]
PURGES_JOINT = JOINT_ORDERS.retention.purgers[DataClass.DATA_CLASS_JOINT_ORDERS]
PURGES_SUPPORT = SUPPORT_REQUESTS.retention.purgers[DataClass.DATA_CLASS_SUPPORT_REQUESTS]
PURGES_LOANS = LOANS.retention.purgers[DataClass.DATA_CLASS_LOANS]
PURGES_ISSUES = ISSUES.retention.purgers[DataClass.DATA_CLASS_ISSUES]
PURGES_BULLETINS = BULLETINS.retention.purgers[DataClass.DATA_CLASS_BULLETINS]
DAY = timedelta(days=1)
NOW = OLD + 400 * DAY


@pytest.fixture(params=["sqlite", "postgresql"], name="tx")
def a_transaction(request: pytest.FixtureRequest) -> Iterator[Transaction]:
    """A transaction of a region's node on an empty database, taken back at the end."""
    if request.param == "sqlite":
        with closing(empty_database(*PACKAGES)) as file:
            file.execute("BEGIN")
            yield SqliteTransaction(file, region_keys())
        return
    with connect(_empty_conninfo(request.getfixturevalue("postgresql_server")), "crossregion-test") as connection:
        connection.execute("BEGIN")
        yield PostgresqlTransaction(connection, region_keys())
        connection.execute("ROLLBACK")


@functools.cache
def _empty_conninfo(server: LocalPostgresql) -> str:
    """Leads to a database of the server with the schema alone, into which nothing is ever committed."""
    server.create_database("rolled_back")
    place = PostgresqlSettings(server.conninfo("rolled_back"))
    DatabasePlace(Path("unused"), place).migrate(migrations_of(*PACKAGES), dry_run=False)
    return place.conninfo


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Of a region that has every kind of record."""
    with archive() as kept:
        yield kept.registry


def purge(tx: Transaction, purger: Purger, *, limit: int = 10) -> Page:
    """Everything of one class that ended more than a hundred days ago; the first page after which none follows."""
    removed = held = 0
    place, before = "", to_microseconds(NOW - 100 * DAY)
    while True:
        page = purger.page(tx, Cut(before, held_now(tx, KINDS, NOW), limit, NOW), place)
        removed, held, place = removed + page.removed, held + page.held, page.place
        if not place:
            return Page(removed, held, "")


def decide(tx: Transaction, grant_id: str, when: datetime, end: datetime | None = None) -> None:
    decided = Decided(grant_id, "guangdong", f"purpose {grant_id[0]}", frozenset(), True, when, end)
    insert_grant(tx, LINE, decided, ConsentEvidence(), when)


@pytest.mark.parametrize("limit", [1, 10])
def test_decisions_go_in_order_whatever_the_size_of_a_page(tx: Transaction, limit: int) -> None:
    keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
    decide(tx, "a1", OLD)
    decide(tx, "a2", OLD + DAY, OLD + 2 * DAY)
    decide(tx, "b1", OLD)
    assert purge(tx, Consents(), limit=limit).removed == 2
    assert tx.all(str, "SELECT grant_id FROM sharing_grants") == ["b1"]
    assert Consents().oldest(tx) == to_microseconds(OLD)


def test_only_customers_whose_last_line_ended_long_ago_are_erased(tx: Transaction, registry: Registry) -> None:
    lines: dict[str, list[datetime | None]] = {
        "old": [OLD],
        "both": [OLD, OLD + DAY],
        "lately": [OLD, NOW - DAY],
        "in service": [OLD, None],
    }
    for customer_id, ends in lines.items():
        keep_customer(tx, CustomerRow(customer_id, "王芳", ""))
        for number, end in enumerate(ends):
            name = f"{customer_id}-{number}"
            line = replace(LINE, product_id=name, account_id=name, customer_id=customer_id, number=f"+86{name}")
            keep_line(tx, line, OLD - DAY)
            if end is not None:
                keep_line(tx, replace(line, status=ProductStatus.PRODUCT_STATUS_TERMINATED), end)
    assert EndedCustomers(registry).oldest(tx) == to_microseconds(OLD)
    assert purge(tx, EndedCustomers(registry), limit=1).removed == 2
    assert {name: status_of(tx, name) for name in lines} == {
        "old": ERASED,
        "both": ERASED,
        "lately": ACTIVE,
        "in service": ACTIVE,
    }
    assert purge(tx, EndedCustomers(registry)).removed == 0


def test_other_contacts_go_in_pages_and_those_without_an_ended_customer_stay(tx: Transaction) -> None:
    for customer_id, end in (("first", OLD), ("second", OLD + DAY), ("third", None)):
        keep_customer(tx, CustomerRow(customer_id, "王芳", ""))
        line = replace(
            LINE, product_id=customer_id, account_id=customer_id, customer_id=customer_id, number=f"+86{customer_id}"
        )
        keep_line(tx, line, OLD - DAY)
        keep_other_contacts(tx, customer_id, [OtherContact("+8613812341234", OLD)])
        if end is not None:
            keep_line(tx, replace(line, status=ProductStatus.PRODUCT_STATUS_TERMINATED), end)
    assert EndedContacts().oldest(tx) == to_microseconds(OLD)
    assert purge(tx, EndedContacts(), limit=1).removed == 2
    assert tx.all(str, "SELECT customer_id FROM other_contacts") == ["third"]
    assert EndedContacts().oldest(tx) is None


def test_content_that_has_not_expired_stays(tx: Transaction) -> None:
    for name, expires in (("gone", None), ("good", NOW)):
        named = DocumentUpload(expire_time=to_timestamp(expires) if expires is not None else None)
        file = StoredFile(name, "customer/c1", "", "", 1, 1, REGISTERED, "sichuan")
        insert_file(tx, file, named.SerializeToString(), OLD)
    assert purge(tx, Documents(), limit=1).removed == 1
    assert tx.all(str, "SELECT document_id FROM document_files") == ["good"]


def agree(tx: Transaction, name: str, ended: datetime | None, stated: Sequence[datetime]) -> None:
    """An agreement with statements."""
    customer = CustomerRow(f"customer-{name}", "王芳", "")
    keep_customer(tx, customer)
    agreement = Agreement(id=f"sichuan/{name}", customer_id=customer.customer_id, product_id=name, service="s")
    agreement.start_time.CopyFrom(to_timestamp(OLD - DAY))
    insert_agreement(tx, agreement, 1)
    if ended is not None:
        agreement.end_time.CopyFrom(to_timestamp(ended))
        end_agreement(tx, agreement)
    for each, time in enumerate(stated, start=1):
        statement = AgreementStatement(agreement_id=agreement.id, month=f"2025-{each:02d}", revision=1)
        insert_statement(tx, customer.customer_id, statement, time)


@pytest.mark.parametrize("limit", [1, 10])
def test_statements_go_by_age_and_agreements_when_none_is_left_unless_they_are_held(
    tx: Transaction, limit: int
) -> None:
    agree(tx, "ended", OLD, [OLD, OLD + DAY])
    agree(tx, "running", None, [OLD, NOW])
    agree(tx, "lately", OLD, [OLD, NOW])
    agree(tx, "held", OLD, [OLD])
    hold(tx, "customer-held", "court-1", None, AuditedCall("test", "clerk", OLD), keys().trusted.revocations)
    for name, end in (("over", OLD), ("ahead", NOW + DAY)):
        tx.execute(
            "INSERT INTO service_outages (service, source, agreement_id, start_time, end_time, region, cause, version,"
            " withdrawn) VALUES ('s', :name, '', 1, :end, 'sichuan', 1, 1, 0)",
            name=name,
            end=to_microseconds(end),
        )
        tx.execute(
            "INSERT INTO part_outages (source, start_time, end_time, region, sites, links, cause, version, withdrawn)"
            " VALUES (:name, 1, :end, 'sichuan', '', 'a', 1, 1, 0)",
            name=name,
            end=to_microseconds(end),
        )
    assert Agreements().oldest(tx) == to_microseconds(OLD)
    page = purge(tx, Agreements(), limit=limit)
    assert page.removed == 4 + 1 + 2, "statements, an agreement, an outage of a service and one of parts"
    assert page.held == 2
    kept = tx.all(str, "SELECT agreement_id FROM agreements ORDER BY agreement_id")
    assert kept == ["sichuan/held", "sichuan/lately", "sichuan/running"]
    for table in ("service_outages", "part_outages"):
        assert tx.all(str, f"SELECT source FROM {table}") == ["ahead"]
    assert purge(tx, Agreements(), limit=limit).removed == 0


def test_of_an_erased_customer_no_agreement_is_left(tx: Transaction, registry: Registry) -> None:
    agree(tx, "gone", None, [OLD])
    mark_erased(tx, registry, ["customer/customer-gone"], NOW)
    assert tx.all(str, "SELECT agreement_id FROM agreements") == []
    assert tx.all(str, "SELECT agreement_id FROM agreement_statements") == []


def test_the_ids_of_requests_about_sharing_go_with_the_others(tx: Transaction) -> None:
    for name, when in (("old", OLD), ("new", NOW)):
        insert_request(tx, name, SharingRequest("d", None, None), when)
    assert purge(tx, Requests(KINDS), limit=1).removed == 1
    assert purge(tx, Envelopes(KINDS)).removed == 0
    assert tx.all(str, "SELECT subject FROM sharing_requests") == ["new"]


def test_envelopes_with_the_signatures_of_a_settlement_stay_as_its_evidence(tx: Transaction) -> None:
    for subject in ("order-1", "settlement/guangdong/settlement/sichuan/2020-06"):
        tx.execute(
            "INSERT INTO outbox (envelope_id, destination, kind, subject, content, signature, traceparent, created,"
            " closed, claimed_by, handed_over, is_sealed) VALUES (:id, 'henan', 1, :id, :none, :none, '', 1, :closed,"
            " 0, 0, 1)",
            id=subject,
            none=b"",
            closed=to_microseconds(OLD),
        )
    assert purge(tx, Envelopes(KINDS)).removed == 1
    assert tx.all(str, "SELECT subject FROM outbox") == ["settlement/guangdong/settlement/sichuan/2020-06"]


@pytest.mark.parametrize("limit", [1, 10])
def test_lost_commands_go_before_the_repeats_by_which_they_were_left_out_of_the_list(
    tx: Transaction, limit: int
) -> None:
    for name, when in (("a b", OLD), ("b", OLD), ("c", NOW)):
        told = to_microseconds(when)
        assert list_lost(tx, LostCommand(1, "sichuan", "guangdong", name, 1, f"order {name}", "COMMAND_LOST", told))
    assert purge(tx, Envelopes(KINDS), limit=limit).removed == 2
    assert [each.envelope_id for each in lost_after(tx, (0, "", "", ""), 10)] == ["c"]


def test_a_lost_command_stays_on_the_list_as_long_as_its_record_is_open(tx: Transaction) -> None:
    for number, state in ((1, IN_PROGRESS), (2, CLOSED)):
        fault = fault_of(number, state, OLD)
        insert_fault(tx, FaultRow(fault, ""), number, OLD)
        lost = LostCommand(1, "guangdong", "sichuan", f"c{number}", 1, fault.id, "COMMAND_LOST", to_microseconds(OLD))
        assert list_lost(tx, lost)
    assert purge(tx, Envelopes(KINDS)).removed == 1
    assert [each.envelope_id for each in lost_after(tx, (0, "", "", ""), 10)] == ["c1"]


def fault_of(number: int, state: FaultState.ValueType, when: datetime) -> Fault:
    """A fault that was reported here then, and that nobody has touched since."""
    fault = Fault(
        id=f"sichuan/F20251101-{number}",
        state=state,
        version=1,
        report=FaultReport(number=LINE.number),
        origin_region="sichuan",
        owner_region="sichuan",
        home_region="sichuan",
        create_time=to_timestamp(when),
    )
    fault.outages.add(start_time=to_timestamp(when), due_time=to_timestamp(when + 2 * DAY))
    return fault


@pytest.mark.parametrize("limit", [1, 10])
def test_faults_that_ended_long_ago_go_and_their_numbers_are_not_given_again(tx: Transaction, limit: int) -> None:
    for number, state, when in ((1, CLOSED, OLD), (2, IN_PROGRESS, OLD), (3, CANCELLED, OLD), (4, CLOSED, NOW)):
        insert_fault(tx, FaultRow(fault_of(number, state, when), ""), number, when)
    assert PURGES_FAULTS.oldest(tx) == to_microseconds(OLD)
    assert purge(tx, PURGES_FAULTS, limit=limit).removed == 2
    assert [each.record_id[-1] for each in FAULTS.erasure.about(tx, LINE.number)] == ["2", "4"]
    filters = FaultFilter("sichuan", "counter", (IN_PROGRESS, CLOSED), LINE.number, NOW)
    assert [each.id[-1] for each in list_faults(tx, filters, None, 10).items] == ["2"]
    assert next_fault_number(tx) == 5
    assert [each.name[-1] for each in FAULT_EVENTS.after(tx, 0, "", 10)] == ["2", "4"]


def asked(number: int, state: SupportState.ValueType, when: datetime) -> SupportRequest:
    """A support request that was opened here then, and that nobody has touched since."""
    return SupportRequest(
        id=f"sichuan/S20251101-{number}",
        state=state,
        version=1,
        inquiry=SupportInquiry(number=LINE.number),
        origin_region="sichuan",
        owner_region="sichuan",
        operator="counter",
        create_time=to_timestamp(when),
    )


@pytest.mark.parametrize("limit", [1, 10])
def test_support_requests_that_were_closed_long_ago_go_and_their_numbers_are_not_given_again(
    tx: Transaction, limit: int
) -> None:
    closed, resolved = support_rules.CLOSED, support_rules.RESOLVED
    for number, state, when in ((1, closed, OLD), (2, resolved, OLD), (3, closed, OLD), (4, closed, NOW)):
        SUPPORT_ROWS.insert(tx, SupportRow(asked(number, state, when), ""), number, when)
    assert PURGES_SUPPORT.oldest(tx) == to_microseconds(OLD)
    assert purge(tx, PURGES_SUPPORT, limit=limit).removed == 2
    assert [each.record_id[-1] for each in SUPPORT_REQUESTS.erasure.about(tx, LINE.number)] == ["2", "4"]
    filters = TicketFilter("counter", (resolved, closed), LINE.number)
    newest, oldest = SUPPORT_ROWS.page(tx, filters, None, 10).items
    assert (newest.id[-1], oldest.id[-1]) == ("4", "2")
    assert SUPPORT_ROWS.next_number(tx) == 5


@pytest.mark.parametrize("limit", [1, 10])
def test_issues_that_ended_long_ago_go_and_their_numbers_are_not_given_again(tx: Transaction, limit: int) -> None:
    closed, decided, withdrawn = issue_rules.CLOSED, issue_rules.DECIDED, issue_rules.WITHDRAWN
    for number, state, when in ((1, closed, OLD), (2, decided, OLD), (3, withdrawn, OLD), (4, closed, NOW)):
        issue = Issue(
            id=f"sichuan/I20251101-{number}",
            state=state,
            version=1,
            request=IssueRequest(due_time=to_timestamp(when)),
            origin_region="sichuan",
            owner_region="sichuan",
            create_time=to_timestamp(when),
        )
        ISSUE_ROWS.insert(tx, IssueRow(issue, ""), number, when)
    assert purge(tx, PURGES_ISSUES, limit=limit).removed == 2
    assert [each.id[-1] for each in ISSUE_ROWS.page(tx, TicketFilter(), None, 10).items] == ["4", "2"]
    assert [each.id[-1] for each in ISSUE_ROWS.page(tx, TicketFilter(due_before=NOW), None, 10).items] == ["2"]
    assert ISSUE_ROWS.next_number(tx) == 5


@pytest.mark.parametrize("limit", [1, 10])
def test_loans_that_ended_long_ago_go_and_their_numbers_are_not_given_again(tx: Transaction, limit: int) -> None:
    in_use, closed, refused = loan_rules.IN_USE, loan_rules.CLOSED, loan_rules.REFUSED
    for number, state, when in ((1, closed, OLD), (2, in_use, OLD), (3, refused, OLD), (4, closed, NOW)):
        loan = new_loan(f"sichuan/L20251101-{number}", "sichuan", "henan")
        loan.state = state
        loan.create_time.CopyFrom(to_timestamp(when))
        loan.end_time.CopyFrom(loan.create_time)
        LOAN_ROWS.insert(tx, LoanRow(loan, ""), number, when)
    assert purge(tx, PURGES_LOANS, limit=limit).removed == 2
    assert [each.id[-1] for each in LOAN_ROWS.page(tx, TicketFilter(), None, 10).items] == ["4", "2"]
    assert [each.id[-1] for each in LOAN_ROWS.page(tx, TicketFilter(due_before=NOW), None, 10).items] == ["2"]
    assert LOAN_ROWS.next_number(tx) == 5


def test_bulletins_go_long_after_their_validity_with_their_readings(tx: Transaction) -> None:
    for number, end in ((1, OLD + DAY), (2, NOW + DAY)):
        bulletin = Bulletin(
            id=f"sichuan/B20251101-{number}",
            state=bulletin_rules.PUBLISHED,
            version=1,
            content=BulletinContent(start_time=to_timestamp(OLD), end_time=to_timestamp(end)),
            origin_region="sichuan",
            regions=["sichuan"],
            create_time=to_timestamp(OLD),
        )
        insert_bulletin(tx, BulletinRow(bulletin, ""), number)
        assert [note_read(tx, bulletin.id, "sichuan", "wang", NOW) for _ in range(2)] == [True, False]
    assert purge(tx, PURGES_BULLETINS, limit=10).removed == 1
    assert [each.id[-1] for each in list_bulletins(tx, BulletinFilter(), None, 10).items] == ["2"]
    assert tx.all(str, "SELECT bulletin_id FROM bulletin_reads") == ["sichuan/B20251101-2"]
    assert next_bulletin_number(tx) == 3


def test_old_samples_go_with_their_judgements(tx: Transaction) -> None:
    for number, when in ((1, OLD), (2, OLD + DAY), (3, NOW)):
        sample = Sample(id=f"sichuan/staff/wang/{number}", month="2025-11", create_time=to_timestamp(when))
        sample.records.add(id="sichuan/counter/1", stratum="SUSPEND")
        sample_rows.insert_sample(tx, sample)
        sample.records[0].judge_time.CopyFrom(to_timestamp(when))
        sample_rows.judge(tx, sample, sample.records[0])
    assert sample_rows.judged_in(tx, "2025-11") == (3, 3)
    page, token = sample_rows.list_samples(tx, None, 1), (to_microseconds(NOW), "sichuan/staff/wang/3")
    assert [each.id[-1] for each in [*page, *sample_rows.list_samples(tx, token, 10)]] == ["3", "2", "1"]
    assert Samples().oldest(tx) == to_microseconds(OLD)
    assert purge(tx, Samples(), limit=1) == Page(2, 0, "")
    assert [each.id[-1] for each in sample_rows.list_samples(tx, None, 10)] == ["3"]
    assert tx.first(int, "SELECT COUNT(*) FROM supervision_records") == 1


def test_answered_surveys_go_in_order_and_those_that_wait_or_are_held_stay(tx: Transaction) -> None:
    keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
    keep_customer(tx, CustomerRow("customer-2", "张三", ""))
    hold(tx, "customer-2", "court-1", None, AuditedCall("test", "clerk", OLD), keys().trusted.revocations)
    for number in range(1, 6):
        survey = Survey(id=f"guangdong/counter/{number}", region="guangdong", business="SUSPEND", channel="counter")
        survey.invite_time.CopyFrom(to_timestamp(OLD + number * DAY))
        token = survey_rows.insert_survey(tx, survey, "customer-2" if number == 4 else LINE.customer_id)
        found = survey_rows.find_by_token(tx, token)
        assert found is not None
        if number == 2:
            survey.follow_up.due_time.CopyFrom(survey.invite_time)
        survey_rows.update_survey(tx, found[0], survey)
        survey_rows.count(tx, survey, survey_rows.month_of(OLD), survey_rows.INVITATIONS)
    assert [each.id[-1] for each in survey_rows.open_follow_ups(tx, (0, ""), 10)] == ["2"]
    assert survey_rows.last_invited(tx, LINE.customer_id) == to_microseconds(OLD + 5 * DAY)
    assert purge(tx, Surveys(), limit=2) == Page(3, 1, "")
    kept = [f"guangdong/counter/{name}" for name in (2, 4)]
    assert tx.all(str, "SELECT survey_id FROM surveys ORDER BY survey_id") == kept
    assert [each.answers for each in survey_rows.counts_between(tx, "2025-11", "2025-11")] == [5]


@pytest.mark.parametrize("limit", [1, 10])
def test_joint_orders_that_ended_long_ago_go_with_their_items_and_their_numbers_are_not_given_again(
    tx: Transaction, limit: int
) -> None:
    failed, surveying = saga.FAILED, saga.SURVEYING
    for number, state, when in ((1, failed, OLD), (2, surveying, OLD), (3, failed, OLD), (4, failed, NOW)):
        order = JointOrder(
            id=f"sichuan/J20251101-{number}",
            state=state,
            version=1,
            request=OrderRequest(number=LINE.number),
            leader_region="sichuan",
            operator="counter",
            create_time=to_timestamp(when),
            items=[JointItem(id="install", region="sichuan")],
        )
        insert_joint_order(tx, JointOrderRow(order, ""), number, when)
        insert_item(tx, order.id, JointItemRow(order.items[0], ""), when)
    assert PURGES_JOINT.oldest(tx) == to_microseconds(OLD)
    assert purge(tx, PURGES_JOINT, limit=limit).removed == 2
    assert [each.record_id[-1] for each in JOINT_ORDERS.erasure.about(tx, LINE.number)] == ["2", "4"]
    left = list_joint_orders(tx, JointOrderFilter("counter", (surveying, failed), LINE.number), None, 10).items
    assert [each.id[-1] for each in left] == ["4", "2"]
    assert tx.first(int, "SELECT COUNT(*) FROM joint_items") == 2
    assert next_joint_number(tx) == 5
