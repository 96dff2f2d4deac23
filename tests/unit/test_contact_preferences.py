"""The quiet list: which notices a customer's preferences stop, and what other regions are told of them."""

import ast
import contextlib
import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.region.v1 import sharing_service_pb2 as sharing_api
from gateway.api.region.v1.customer_service_pb2 import ContactPreferences
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, LocalizedText, Requester
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import from_timestamp
from region_node.business.orders.rows import orders_under_way
from region_node.customers.contact_preferences import forget_preferences, keep_preferences, preferences_of
from region_node.customers.notices.rows import Notice, claim, next_due, tell
from region_node.customers.notices.rules import Purpose, is_permitted, purpose_of
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.customers.sharing.operations import read_shared
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner
from tests.empty_database import empty_database
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
TEXT = LocalizedText(zh_cn="您好", en="Hello")


@pytest.fixture(name="tx")
def transaction() -> Iterator[Transaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", "wang@example.com"))
        insert_line(tx, LINE)
        yield tx


def notices_told(tx: Transaction, name: str) -> set[str]:
    """The kinds of notices that reach the customer."""
    kinds = ("bill", "fault-repaired", "contract-reminder", "survey", "offer")
    return {kind for kind in kinds if tell(tx, Notice(f"{name}/{kind}", kind, LINE.number, TEXT), NOW)}


@pytest.mark.clause("8.2(2)")
def test_a_notice_that_law_or_contract_demands_goes_out_and_any_other_as_the_customer_permits(tx: Transaction) -> None:
    demanded = {"bill", "fault-repaired"}
    expected = {
        "undecided": (ContactPreferences(), demanded | {"contract-reminder", "survey"}),
        "marketing": (ContactPreferences(marketing=True), demanded | {"contract-reminder", "survey", "offer"}),
        "no surveys": (ContactPreferences(no_surveys=True), demanded | {"contract-reminder"}),
        "quiet": (ContactPreferences(quiet=True), demanded),
        "quiet in spite of a consent": (ContactPreferences(marketing=True, quiet=True), demanded),
    }
    wrong = []
    for name, (preferences, told) in expected.items():
        keep_preferences(tx, LINE.customer_id, preferences, NOW)
        found = notices_told(tx, name)
        if found != told:
            wrong.append((name, found ^ told))
    assert not wrong


def test_a_notice_that_waits_is_not_delivered_once_the_customer_refuses_it(tx: Transaction) -> None:
    for kind in ("survey", "bill"):
        assert tell(tx, Notice(f"night/{kind}", kind, LINE.number, TEXT), NOW, NOW + HOUR)
    keep_preferences(tx, LINE.customer_id, ContactPreferences(no_surveys=True), NOW)
    assert [each.notice.kind for each in claim(tx, NOW + HOUR, 10, HOUR)] == ["bill"]
    assert claim(tx, NOW + 3 * HOUR, 10, HOUR) != []


def test_the_quiet_list_never_permits_more() -> None:
    for purpose, marketing, no_surveys in itertools.product(Purpose, (False, True), (False, True)):
        calm = ContactPreferences(marketing=marketing, no_surveys=no_surveys, quiet=True)
        loud = ContactPreferences(marketing=marketing, no_surveys=no_surveys)
        assert is_permitted(purpose, calm) <= is_permitted(purpose, loud)


def test_every_kind_of_notice_in_the_code_has_a_purpose_and_an_unlisted_kind_needs_consent() -> None:
    found = {kind: purpose_of(kind) for kind in kinds_in_the_code()}
    assert found.keys() >= {"bill", "fault-", "complaint-", "network-problem-", "contract-reminder"}
    assert [kind for kind, purpose in found.items() if purpose is Purpose.MARKETING] == []
    assert purpose_of("offer") is Purpose.MARKETING


def kinds_in_the_code() -> Iterator[str]:
    """The kinds of all notices, or their beginnings, as written at their constructors."""
    for path in (ROOT / "region_node").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_notice = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Notice"
            if not is_notice or not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            kind = node.args[1]
            first = kind.values[0] if isinstance(kind, ast.JoinedStr) else kind
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def test_a_notice_that_may_wait_is_delivered_when_it_is_due(tx: Transaction) -> None:
    tell(tx, Notice("survey/1", "survey", LINE.number, TEXT), NOW, NOW + HOUR)
    assert claim(tx, NOW, 10, HOUR) == []
    assert next_due(tx) == NOW + HOUR
    assert [each.notice.notice_id for each in claim(tx, NOW + HOUR, 10, HOUR)] == ["survey/1"]


def test_a_consent_that_stands_keeps_its_time_until_it_is_withdrawn(tx: Transaction) -> None:
    consented = ContactPreferences(marketing=True)
    keep_preferences(tx, LINE.customer_id, consented, NOW)
    again = keep_preferences(tx, LINE.customer_id, ContactPreferences(marketing=True, quiet=True), NOW + HOUR)
    assert from_timestamp(again.marketing_time) == NOW
    assert not keep_preferences(tx, LINE.customer_id, ContactPreferences(), NOW + HOUR).HasField("marketing_time")
    anew = keep_preferences(tx, LINE.customer_id, consented, NOW + 2 * HOUR)
    assert from_timestamp(anew.marketing_time) == NOW + 2 * HOUR


def test_an_erased_customer_has_no_preferences_left(tx: Transaction) -> None:
    keep_preferences(tx, LINE.customer_id, ContactPreferences(quiet=True), NOW)
    forget_preferences(tx, LINE.customer_id)
    assert preferences_of(tx, LINE.customer_id) == ContactPreferences()


@pytest.mark.clause("8.2(2)")
def test_another_regions_staff_learn_the_quiet_list_by_the_purpose_of_a_legal_duty_alone(tx: Transaction) -> None:
    keep_preferences(tx, LINE.customer_id, ContactPreferences(marketing=True, quiet=True), NOW)
    current = CurrentFederation()
    current.update(FEDERATION, [])
    home = RegionContext(Border("sichuan", keys().signers["sichuan"], keys().trusted, current), orders_under_way)
    request = sharing_api.ReadSharedCustomerRequest(
        request_id="R1",
        number=LINE.number,
        purpose="contact-permission",
        legal_basis=LegalBasis.LEGAL_BASIS_LEGAL_DUTY,
        reference="粤工信函〔2026〕17号",
        requester=Requester(staff_id="clerk-7", channel=Channel.CHANNEL_HOTLINE),
    )
    staff = Questioner("guangdong", "clerk-7", is_staff=True)
    values = read_shared(tx, home, request, staff, NOW).record.values
    assert [list(each.texts) for each in values] == [[LINE.number], ["marketing", "quiet"]]
    request.legal_basis, request.reference = LegalBasis.LEGAL_BASIS_CONSENT, ""
    system = Questioner("guangdong", "counter")
    assert read_shared(tx, home, request, system, NOW).refusal.reason == Reason.REASON_SHARING_NOT_GRANTED
