"""Sharing at the home region, on a database: customers whose record is restricted, and those who were erased."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, ProofWay, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.sharing_rules import CONSENT_PAPER
from gateway.relay.border import Border
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.sqlite_schema import apply
from gateway.store.unit_of_work import UnitOfWork
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.orders.rows import orders_under_way
from region_node.customers.disclosures.rows import DisclosureRow, disclosures_page, note_disclosure, was_noted
from region_node.customers.documents.rows import DocumentRow, insert_document
from region_node.customers.notices.rows import claim
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.customers.sharing import rows
from region_node.customers.sharing.consents import confirm_consent, give_consent, withdraw_consent
from region_node.customers.sharing.lists import list_grants
from region_node.customers.sharing.operations import read_shared
from region_node.customers.status import ACTIVE, ERASED, RESTRICTED, keep_status
from region_node.customers.verified import QRY_PROFILE
from region_node.node.context import RegionContext
from region_node.node.subjects import customer_subject
from region_node.requests.caller import Caller
from region_node.requests.checks import Questioner
from tests.empty_database import empty_database
from tests.shipped import shipped_configuration
from tests.simulation.world import keys, staff
from tests.unit.situations import FEDERATION, LINE, NOW

SOUTH = Questioner("guangdong", "counter")
REQUESTER = Requester(staff_id="clerk-7", channel=Channel.CHANNEL_COUNTER)
NOBODYS = "+8619851999999"
LATER = NOW + timedelta(hours=12)  # the end of the wait for a paper of another region, by the shipped policy
AT_HOME = Questioner("sichuan", "counter")


@pytest.fixture(name="tx", params=[None, UnitOfWork], ids=["commits", "commit"])
def transaction(request: pytest.FixtureRequest) -> Iterator[Transaction]:
    """A transaction of its own, and one that shares its commit with all operations of the test."""
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        unit = None if request.param is None else UnitOfWork()
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()), unit)
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", "wang@example.com"))
        insert_line(tx, LINE)
        yield tx


def sichuan(federation: Federation = FEDERATION) -> RegionContext:
    """The home region."""
    current = CurrentFederation()
    current.update(federation, [])
    return RegionContext(Border("sichuan", keys().signers["sichuan"], keys().trusted, current), orders_under_way)


def signed(tx: Transaction, name: str, **changes: object) -> str:
    """A consent that the customer has signed in Guangdong, on file; returns its document id."""
    row = DocumentRow(
        document_id=f"guangdong/counter/{name}",
        customer_id=LINE.customer_id,
        code=CONSENT_PAPER,
        region="guangdong",
        verifier="clerk-7",
        verify_time=to_microseconds(NOW),
        expire_time=None,
        withdraw_time=None,
        media_type="image/png",
        size=1,
        content_hash="00",
        identity_hash="",
        register_time=to_microseconds(NOW),
    )
    insert_document(tx, replace(row, **changes))  # type: ignore[arg-type]
    return row.document_id


def consent(tx: Transaction, number: str = LINE.number, request_id: str = "C1") -> str:
    """Guangdong records a consent on paper; returns the id."""
    signed(tx, request_id)
    request = api.GiveConsentRequest(
        request_id=request_id,
        number=number,
        reader="guangdong",
        purpose="counter-service",
        decision=api.ConsentDecision.CONSENT_DECISION_GRANTED,
        paper=f"guangdong/counter/{request_id}",
        requester=REQUESTER,
    )
    return give_consent(tx, sichuan(), request, SOUTH, NOW).grant_id


def read(tx: Transaction, number: str = LINE.number, now: datetime = LATER) -> api.ReadSharedCustomerResponse:
    """Guangdong asks by consent."""
    request = api.ReadSharedCustomerRequest(
        request_id="R1",
        number=number,
        purpose="counter-service",
        legal_basis=LegalBasis.LEGAL_BASIS_CONSENT,
        fields=[SharedField.SHARED_FIELD_NAME],
        requester=REQUESTER,
    )
    return read_shared(tx, sichuan(), request, SOUTH, now)


def confirm(
    tx: Transaction,
    *,
    agreed: bool = True,
    request_id: str = "S1",
    federation: Federation = FEDERATION,
    **named: str,
) -> Sequence[str]:
    """Staff of Sichuan have spoken with the customer; returns the ids of the grants."""
    asked = api.ConfirmConsentRequest(request_id=request_id, number=LINE.number, agreed=agreed, **named)
    caller = Caller(staff("sichuan", "li"), request_id, "")
    return confirm_consent(tx, sichuan(federation), asked, caller, NOW).grant_ids


def states(tx: Transaction, now: datetime = NOW) -> list[str]:
    """The states of the customer's decisions, newest first."""
    found = rows.grants_page(tx, LINE, 0, 10, now=now)
    names = [api.GrantState.Name(each.decided.state(now, is_newest=each.is_newest)) for each in found]
    return [name.removeprefix("GRANT_STATE_") for name in names]


def test_a_restricted_record_is_told_to_nobody_who_could_read_it(tx: Transaction) -> None:
    consent(tx)
    assert read(tx).record.values[0].texts == ["王芳"]
    keep_status(tx, LINE.customer_id, RESTRICTED)
    assert read(tx).refusal.reason == Reason.REASON_SHARING_RESTRICTED


def test_each_reading_is_a_row_of_the_customers_list(tx: Transaction) -> None:
    for reads in range(1, 4):
        read(tx)
        assert [each.sequence for each in disclosures_page(tx, LINE, 0, 10)] == list(range(reads, 0, -1))


def test_a_stranger_does_not_learn_that_a_record_is_restricted(tx: Transaction) -> None:
    keep_status(tx, LINE.customer_id, RESTRICTED)
    assert read(tx) == read(tx, NOBODYS)


def test_of_an_erased_customer_nothing_is_told_and_nothing_new_is_kept(tx: Transaction) -> None:
    consent(tx)
    vault.destroy(tx, [customer_subject(LINE.customer_id)])
    keep_status(tx, LINE.customer_id, ERASED)
    before = disclosures_page(tx, LINE, 0, 10)
    assert read(tx) == read(tx, NOBODYS)
    with pytest.raises(Refused) as raised:
        consent(tx, request_id="C2")
    assert raised.value.reason == Reason.REASON_DOCUMENT_NOT_ON_FILE
    assert disclosures_page(tx, LINE, 0, 10) == before
    assert not vault.key_ids_of(tx, [customer_subject(LINE.customer_id)]), "no key is made anew"
    assert not before[0].particulars.requester.staff_id, "what was sealed can be read no more"
    assert not rows.grants_page(tx, LINE, 0, 10, now=NOW)[0].evidence.paper
    audit.verify(audit.rows(tx))


def reading(staff_id: str = "clerk-7", record: str = "henan/counter/1", **changes: object) -> DisclosureRow:
    """Guangdong reads the content of a document."""
    row = DisclosureRow(
        kind=api.DisclosureKind.DISCLOSURE_KIND_DOCUMENT_READ,
        time=NOW,
        region="guangdong",
        operator="counter",
        purpose="",
        particulars=api.DisclosureParticulars(requester=Requester(staff_id=staff_id), record_id=record),
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_a_reading_goes_on_for_the_same_person_and_document_alone_and_not_for_ever(tx: Transaction) -> None:
    note_disclosure(tx, LINE, reading())
    note_disclosure(tx, LINE, reading(record="henan/counter/3", refused=Reason.REASON_DOCUMENT_WITHDRAWN))
    assert was_noted(tx, LINE, reading(), NOW)
    others = (
        reading("clerk-8"),
        reading(record="henan/counter/2"),
        reading(record="henan/counter/3"),
        reading(region="henan"),
        reading(operator="app"),
    )
    assert not any(was_noted(tx, LINE, each, NOW) for each in others)
    assert not was_noted(tx, LINE, reading(), NOW + timedelta(seconds=1))


def test_decisions_and_disclosures_hold_no_value_in_the_clear(tx: Transaction) -> None:
    consent(tx)
    read(tx)
    told = repr(tx.all(lambda *cells: cells, "SELECT * FROM sharing_grants")) + repr(
        tx.all(lambda *cells: cells, "SELECT * FROM disclosures")
    )
    for value in ("王芳", LINE.number, "clerk-7"):
        assert value not in told
    assert "SHARED_FIELD_NAME" in told


def test_an_expired_paper_is_no_consent(tx: Transaction) -> None:
    signed(tx, "C1", expire_time=to_microseconds(NOW))
    request = api.GiveConsentRequest(
        request_id="C1",
        number=LINE.number,
        reader="guangdong",
        purpose="counter-service",
        decision=api.ConsentDecision.CONSENT_DECISION_GRANTED,
        paper="guangdong/counter/C1",
        requester=REQUESTER,
    )
    with pytest.raises(Refused) as raised:
        give_consent(tx, sichuan(), request, SOUTH, NOW)
    assert raised.value.reason == Reason.REASON_DOCUMENT_EXPIRED


def test_a_grant_of_before_versions_were_kept_holds_as_it_did(tx: Transaction) -> None:
    consent(tx)
    tx.execute("UPDATE sharing_grants SET text_version = ''")
    assert read(tx).record.values[0].texts == ["王芳"]
    tx.execute("UPDATE sharing_grants SET text_version = 'of another text'")
    assert read(tx).refusal.reason == Reason.REASON_SHARING_CONSENT_OUTDATED


def test_a_grant_of_a_database_of_before_is_of_no_version_and_by_no_paper_on_file() -> None:
    migrations = migrations_of("gateway", "region_node")
    before = [each for each in migrations if each.package == "gateway" or each.name < "0028"]
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply(connection, before)
        connection.execute(
            "INSERT INTO sharing_grants (sequence, grant_id, customer_id, product_id, reader, purpose, granted, fields,"
            " start_time, end_time, record_time, evidence)"
            " VALUES (1, 'guangdong/counter/C0', ?, ?, 'guangdong', 'counter-service', 1, 'SHARED_FIELD_NAME', ?, ?, 0,"
            " X'00')",
            (LINE.customer_id, LINE.product_id, to_microseconds(NOW), to_microseconds(NOW + timedelta(days=1))),
        )
        apply(connection, migrations)
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", "wang@example.com"))
        insert_line(tx, LINE)
        assert read(tx).record.values[0].texts == ["王芳"]
        assert not rows.is_paper_used(tx, "guangdong/counter/C0")


def test_a_paper_of_another_region_opens_nothing_until_the_customer_could_object(tx: Transaction) -> None:
    grant_id = consent(tx)
    for now in (NOW, LATER - timedelta(seconds=1)):
        assert read(tx, now=now).refusal.reason == Reason.REASON_SHARING_NOT_UNTIL
    assert read(tx).record.grant_id == grant_id
    told = [each.notice for each in claim(tx, NOW, 10, timedelta(minutes=1), None)]
    assert [(each.kind, each.number) for each in told] == [("consent-given", LINE.number)]
    for part in ("Guangdong has recorded a paper", "2030-06-16 00:00", "name, number"):
        assert part in told[0].text.en
    assert "2030-06-16 00:00起生效" in told[0].text.zh_cn


def test_a_paper_that_the_home_region_has_seen_itself_opens_at_once(tx: Transaction) -> None:
    document_id = signed(tx, "C1", document_id="sichuan/counter/C1", region="sichuan")
    request = api.GiveConsentRequest(
        request_id="C1",
        number=LINE.number,
        reader="guangdong",
        purpose="counter-service",
        decision=api.ConsentDecision.CONSENT_DECISION_GRANTED,
        paper=document_id.replace("guangdong", "sichuan"),
        requester=REQUESTER,
    )
    give_consent(tx, sichuan(), request, AT_HOME, NOW)
    assert read(tx, now=NOW).record.values[0].texts == ["王芳"]


def test_staff_of_the_home_region_speak_for_the_customer_about_a_paper(tx: Transaction) -> None:
    first = consent(tx)
    with pytest.raises(Refused) as raised:
        confirm(tx, reader="henan")
    assert raised.value.reason == Reason.REASON_CONSENT_NOT_WAITING
    assert confirm(tx, request_id="S2") == [first]
    assert read(tx, now=NOW).record.grant_id == first
    assert confirm(tx, request_id="S2") == [], "the same request"
    for request_id, reason in (("S2", Reason.REASON_REQUEST_ID_REUSED), ("S3", Reason.REASON_CONSENT_NOT_WAITING)):
        with pytest.raises(Refused) as raised:
            confirm(tx, agreed=False, request_id=request_id)
        assert raised.value.reason == reason
    audit.verify(audit.rows(tx))


def test_staff_whom_the_policy_of_a_consent_does_not_name_take_an_objection_alone(tx: Transaction) -> None:
    configuration = shipped_configuration()
    (policy,) = (each for each in configuration.policies if each.name == "proof-of-consent")
    staff_way = next(each for each in policy.ways.ways if each.way == ProofWay.PROOF_WAY_HOME_STAFF)
    policy.ways.ways.remove(staff_way)
    federation = Federation(1, configuration)
    first = consent(tx)
    with pytest.raises(Refused) as raised:
        confirm(tx, federation=federation)
    assert raised.value.reason == Reason.REASON_PROOF_WAY_NOT_TAKEN
    assert "HOME_STAFF" not in raised.value.parameters["ways"]
    assert confirm(tx, agreed=False, federation=federation) == [first]


def test_a_customer_who_objects_is_not_read_and_keeps_what_was_in_force(tx: Transaction) -> None:
    first = consent(tx)
    confirm(tx)
    second = consent(tx, request_id="C2")
    assert read(tx, now=NOW).record.grant_id == first, "a paper that waits replaces nothing"
    assert states(tx) == ["NOT_YET", "IN_FORCE"]
    keep_status(tx, LINE.customer_id, RESTRICTED)  # an objection does not wait for that
    assert confirm(tx, agreed=False, request_id="S2") == [second]
    keep_status(tx, LINE.customer_id, ACTIVE)
    for now in (NOW, LATER):
        assert read(tx, now=now).record.grant_id == first
        assert states(tx, now) == ["WITHDRAWN", "IN_FORCE"]
    third = consent(tx, request_id="C3")
    assert read(tx, now=LATER).record.grant_id == third
    assert states(tx, LATER) == ["IN_FORCE", "WITHDRAWN", "REPLACED"]


def test_a_withdrawal_on_paper_does_not_wait(tx: Transaction) -> None:
    consent(tx)
    asked = api.WithdrawConsentRequest(request_id="W1", number=LINE.number, paper="archive 1", requester=REQUESTER)
    withdraw_consent(tx, sichuan(), asked, SOUTH, NOW)
    assert {each.masked for each in read(tx).record.values} == {api.MaskReason.MASK_REASON_WITHDRAWN}


def test_a_paper_that_ends_before_its_wait_is_over_is_refused(tx: Transaction) -> None:
    signed(tx, "C1")
    request = api.GiveConsentRequest(
        request_id="C1",
        number=LINE.number,
        reader="guangdong",
        purpose="counter-service",
        decision=api.ConsentDecision.CONSENT_DECISION_GRANTED,
        end_time=to_timestamp(LATER),
        paper="guangdong/counter/C1",
        requester=REQUESTER,
    )
    with pytest.raises(Refused) as raised:
        give_consent(tx, sichuan(), request, SOUTH, NOW)
    assert (raised.value.reason, raised.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "end_time")


def test_staff_read_the_customers_list_by_a_code_whatever_papers_a_catalogue_takes(tx: Transaction) -> None:
    configuration = shipped_configuration()
    (profile,) = (each for each in configuration.businesses if each.code == QRY_PROFILE)
    profile.documents[0].all_of[:] = ["ID_ORIG"]
    home = sichuan(Federation(2, configuration))
    paper = Document(code="ID_ORIG", verifier="wang", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    asked = api.ListGrantsRequest(
        request_id="L1",
        number=LINE.number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        requester=REQUESTER,
    )
    assert not list_grants(tx, home, asked, AT_HOME, NOW).grants
    with pytest.raises(Refused) as raised:
        list_grants(tx, home, asked, replace(AT_HOME, is_staff=True), NOW)
    assert (raised.value.reason, raised.value.parameters) == (Reason.REASON_DOCUMENT_MISSING, {"documents": "OTP"})
