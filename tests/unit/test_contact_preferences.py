"""The quiet list: which notices a customer's preferences stop, and what other regions are told of them."""

import ast
import contextlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
from region_node.customers.notices.rows import Notice, claim, next_due, postpone, tell
from region_node.customers.notices.rules import PURPOSES, Purpose, is_permitted, purpose_of, quiet_hours_of
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.customers.sharing.operations import read_shared
from region_node.customers.status import RESTRICTED, keep_status
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner
from tests.empty_database import empty_database
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

ROOT = Path(__file__).parents[2]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT, MORNING = datetime(2030, 6, 15, 15, 30, tzinfo=UTC), datetime(2030, 6, 16, 1, tzinfo=UTC)  # 23:30 and 9:00 there
QUIET = quiet_hours_of(FEDERATION, "sichuan")
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
        assert tell(tx, Notice(f"night/{kind}", kind, LINE.number, TEXT), NIGHT)
    keep_preferences(tx, LINE.customer_id, ContactPreferences(no_surveys=True), NOW)
    assert [each.notice.kind for each in claim(tx, MORNING, 10, HOUR, QUIET)] == ["bill"]
    assert claim(tx, MORNING + 3 * HOUR, 10, HOUR, QUIET) != []


def test_a_foreign_or_restricted_customer_gets_only_what_law_or_contract_demands(
    tx: Transaction,
) -> None:
    kinds = ("bill", "fault-repaired", "contract-reminder", "survey", "offer")
    foreign = {kind for kind in kinds if tell(tx, Notice(f"foreign/{kind}", kind, "+8613900000001", TEXT), NOW)}
    assert foreign == {"bill", "fault-repaired"}, "the home knows the quiet list, and is asked by a purpose"
    assert "survey" in notices_told(tx, "waits")
    keep_status(tx, LINE.customer_id, RESTRICTED)
    assert notices_told(tx, "restricted") == {"bill", "fault-repaired"}
    assert "survey" not in {each.notice.kind for each in claim(tx, MORNING, 100, HOUR, QUIET)}


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


PLACE_OF_KIND = {"Notice": 1, "Message": 1, "Asked": 2}


def kinds_in_the_code() -> Iterator[str]:
    """The kinds of all notices and messages, or their beginnings, as written at their constructors or as a constant."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "region_node").rglob("*.py")]
    constants = dict(constant for tree in trees for constant in text_constants(tree))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        place = PLACE_OF_KIND.get(node.func.id, len(node.args))
        kind = node.args[place] if place < len(node.args) else None
        first = kind.values[0] if isinstance(kind, ast.JoinedStr) else kind
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
        elif isinstance(first, ast.Name) and first.id in constants:
            yield constants[first.id]


def text_constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


@pytest.mark.clause("8.2(2)")
def test_every_kind_of_notice_goes_out_as_told_here_by_day_at_night_and_on_the_quiet_list(tx: Transaction) -> None:
    at_any_hour = {
        *("abnormal-bill", "suspended", "terminated", "resumed", "one-time-code", "password-changed", "password-reset"),
        *("consent-given", "consent-withdrawn", "planned-outage", "network-problem", "fault"),
        *("joint", "complaint", "support", "move", "order-verify", "other-contact"),
    }
    in_the_morning = {
        *("bill", "suspension-ahead", "termination-ahead", "service-credit", "account-corrected", "contact-changed"),
    }
    refusable = {"contract-reminder", "survey"}
    assert PURPOSES.keys() == at_any_hour | in_the_morning | refusable
    written = {each.rstrip("-") for each in kinds_in_the_code()}
    found = {kind for kind in PURPOSES if any(each.startswith(kind) for each in written)}
    assert found == PURPOSES.keys() - {"support"}, "a kind that nobody tells; of support requests it is computed"
    for name, preferences in (("loud", ContactPreferences()), ("calm", ContactPreferences(quiet=True))):
        keep_preferences(tx, LINE.customer_id, preferences, NOW)
        for kind in (*PURPOSES, "offer"):
            tell(tx, Notice(f"{name}/{kind}", kind, LINE.number, TEXT), NIGHT)
    keep_preferences(tx, LINE.customer_id, ContactPreferences(), NOW)

    def delivered(now: datetime) -> dict[str, set[str]]:
        told = [each.notice for each in claim(tx, now, 1_000, 10 * DAY, QUIET)]
        return {name: {each.kind for each in told if each.notice_id.startswith(name)} for name in ("loud", "calm")}

    assert delivered(NIGHT) == {"loud": at_any_hour, "calm": at_any_hour}
    assert delivered(MORNING) == {"loud": in_the_morning | refusable, "calm": in_the_morning}


def test_a_notice_that_is_tried_again_or_late_does_not_go_out_in_the_quiet_hours(tx: Transaction) -> None:
    evening = NIGHT - 3 * HOUR
    for kind in ("survey", "fault-repaired"):
        tell(tx, Notice(f"1/{kind}", kind, LINE.number, TEXT), evening)
        postpone(tx, f"1/{kind}", NIGHT, 8)  # as after the messaging system was away
    assert [each.notice.kind for each in claim(tx, NIGHT, 10, HOUR, QUIET)] == ["fault-repaired"]
    assert claim(tx, MORNING - timedelta(seconds=1), 1, HOUR, QUIET)[0].notice.kind == "fault-repaired"
    (survey,) = claim(tx, MORNING, 10, HOUR, QUIET)
    assert (survey.notice.kind, survey.attempts) == ("survey", 8)


def test_a_notice_that_may_wait_is_due_at_the_end_of_the_quiet_hours(tx: Transaction) -> None:
    tell(tx, Notice("survey/1", "survey", LINE.number, TEXT), NIGHT)
    assert claim(tx, NIGHT, 10, HOUR, QUIET) == []
    assert next_due(tx) == MORNING
    assert [each.notice.notice_id for each in claim(tx, MORNING, 10, HOUR, QUIET)] == ["survey/1"]


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
