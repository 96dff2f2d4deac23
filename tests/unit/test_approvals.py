"""Acts that two people agree to, and the limit of readings by legal duty of a day."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.approval_service_pb2 import (
    ApprovalAct,
    ListApprovalsRequest,
    ListApprovalsResponse,
    OperatorScope,
    SetOperatorScopeRequest,
    SetOperatorScopeResponse,
)
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, text
from gateway.rpc import pages
from gateway.rpc.calls import Call, enter
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.peers import IssuedNumber
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import due_timers, fire
from gateway.time.clock import SystemClock, time_in
from region_node.approvals import rules
from region_node.approvals.operations import Act, Awaited, Decision, approval_of, decide, use
from region_node.approvals.rows import (
    ApprovalRow,
    forget_customer,
    forget_expired,
    forget_number,
    list_rows,
    require_row,
)
from region_node.approvals.service import ApprovalService
from region_node.care.escalations.daily_readings import readings_are_many
from region_node.customers.sharing.duty_readings import DUTY_LIMIT, over_limit
from region_node.customers.sharing.rules import Denied
from region_node.node.operator_scopes import ScopeFile
from region_node.node.stored_scopes import take_over
from region_node.node.subjects import number_index
from region_node.requests.auditing import AuditedCall
from region_node.schema import PACKAGES
from tests.keys import region_keys
from tests.unit.purging import NOW, Archive, archive
from tests.unit.test_anomalies import Books

if TYPE_CHECKING:
    import grpc

    from gateway.store.port import Store
    from gateway.time.clock import Clock
    from region_node.node.context import RegionContext
    from region_node.node.stored_scopes import ScopeKeeper

NUMBER = "+8619851000001"
ERASING = Act(
    ApprovalAct.APPROVAL_ACT_ERASE_CUSTOMER,
    customer_id="customer-1",
    reason=ErasureReason.ERASURE_REASON_REQUESTED,
)
READING = Act(
    ApprovalAct.APPROVAL_ACT_LEGAL_DUTY_READING, number=NUMBER, purpose="fraud-investigation", reference="GD(2031)7"
)
DAY = timedelta(days=1)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def asked(kept: Archive, act: Act = ERASING, staff_id: str = "li", after: timedelta = timedelta(0)) -> ApprovalRow:
    """The approval of an act that a proven member of staff asks for through the operator system crm."""
    found = approval_of(kept.tx, act, through(staff_id, after), kept.revocations)
    return found.approval if isinstance(found, Awaited) else found


def through(staff_id: str = "li", after: timedelta = timedelta(0), operator: str = "crm") -> AuditedCall:
    """A call of a proven member of staff through an operator system."""
    return AuditedCall(f"region/sichuan/operator/{operator}", staff_id, NOW + after, f"staff {staff_id} by certificate")


def test_an_act_is_awaited_until_a_time_of_the_region(kept: Archive) -> None:
    found = approval_of(kept.tx, ERASING, through(), kept.revocations)
    assert isinstance(found, Awaited)
    refused, end = found.refused(kept.context), NOW + rules.TO_DECIDE_OF_PROVIDER
    assert refused.parameters["until"] == time_in(ZoneInfo("Asia/Shanghai"), end)
    assert refused.parameters["until"].endswith(" +08:00")


def test_an_act_that_was_stored_is_awaited_though_no_configuration_has_a_time_zone(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: "RegionContext") -> str:
        raise Refused(Reason.REASON_CONFIGURATION_MISSING)

    monkeypatch.setattr(type(kept.context), "time_zone", property(missing))
    found = approval_of(kept.tx, ERASING, through(), kept.revocations)
    assert isinstance(found, Awaited)
    refused = found.refused(kept.context)
    assert (refused.reason, refused.parameters["until"][-6:]) == (Reason.REASON_APPROVAL_AWAITED, "+00:00")


def decided(kept: Archive, approval: ApprovalRow, confirmed: bool = True, by: str = "zhao", number: str = "") -> None:
    decide(kept.tx, approval.approval_id, Decision(by, confirmed=confirmed, number=number), kept.revocations, NOW)


def test_the_same_act_is_one_proposal_and_is_done_once_for_a_confirmation(kept: Archive) -> None:
    first = asked(kept)
    assert asked(kept) == first
    decided(kept, first)
    confirmed = asked(kept)
    assert (confirmed.approval_id, confirmed.decider) == (first.approval_id, "zhao")
    use(kept.tx, confirmed)
    assert asked(kept).approval_id != first.approval_id, "to do it again needs another confirmation"
    assert [row.action for row in audit.rows(kept.tx)].count("ProposeAct") == 2


def test_nobody_confirms_an_own_proposal_and_anybody_may_take_it_back(kept: Archive) -> None:
    approval = asked(kept)
    for own in ("li", "Li"):
        with pytest.raises(Refused) as caught:
            decided(kept, approval, by=own)
        assert caught.value.reason == Reason.REASON_APPROVER_IS_PROPOSER
    decided(kept, approval, confirmed=False, by="li")
    assert asked(kept).approval_id != approval.approval_id


def test_a_confirmation_counts_for_its_caller_its_act_and_its_time_alone(kept: Archive) -> None:
    approval = asked(kept)
    decided(kept, approval)
    other = Act(ERASING.act, customer_id="customer-2", reason=ERASING.reason)
    assert asked(kept, other).state == rules.PROPOSED
    found = approval_of(kept.tx, ERASING, through(operator="app"), kept.revocations)
    assert isinstance(found, Awaited)
    assert asked(kept, after=rules.TO_ACT - timedelta(seconds=1)).state == rules.CONFIRMED
    assert asked(kept, after=rules.TO_ACT).state == rules.PROPOSED


def test_a_confirmation_by_a_stolen_key_is_taken_back_until_the_act_is_done(kept: Archive) -> None:
    approval = asked(kept)
    decided(kept, approval, by="stolen")
    decided(kept, approval, confirmed=False)
    with pytest.raises(Refused, match="APPROVAL_STATE_FORBIDS"):
        decided(kept, approval, by="stolen")
    again = asked(kept)
    assert (again.state, again.approval_id != approval.approval_id) == (rules.PROPOSED, True)
    decided(kept, again)
    use(kept.tx, asked(kept))
    with pytest.raises(Refused, match="APPROVAL_STATE_FORBIDS"):
        decided(kept, again, confirmed=False)


@pytest.mark.parametrize("act", [ERASING, READING])
def test_a_name_that_an_operator_system_gives_without_a_proof_proposes_nothing(kept: Archive, act: Act) -> None:
    named = AuditedCall("region/sichuan/operator/crm", "li", NOW)
    with pytest.raises(Refused) as caught:
        approval_of(kept.tx, act, named, kept.revocations)
    assert caught.value.reason == Reason.REASON_STAFF_NOT_PROVEN
    assert caught.value.parameters["operator"] == named.actor
    assert list_rows(kept.tx, None, 9, NOW) == []


def test_a_certificate_of_staff_names_the_proposer_whatever_the_request_says(kept: Archive) -> None:
    found = approval_of(kept.tx, ERASING, AuditedCall("region/sichuan/staff/zhao", "li", NOW), kept.revocations)
    assert isinstance(found, Awaited)
    assert found.approval.proposer == "zhao"
    with pytest.raises(Refused) as caught:
        decided(kept, found.approval, by="zhao")
    assert caught.value.reason == Reason.REASON_APPROVER_IS_PROPOSER


def test_a_proposal_waits_for_a_day_by_the_word_of_an_identity_provider_and_for_seven_by_a_certificate(
    kept: Archive,
) -> None:
    issuer = Authority.create("demo.example", NOW, NOW + DAY).issue_issuer("sichuan", NOW, NOW + DAY)
    staff = Identity("demo.example", Role.ROLE_STAFF, "sichuan", "li")
    own = issuer.issue_tls(staff, NOW, NOW + DAY).certificate
    certified = replace(through(operator="counter"), certificates=[(IssuedNumber.of(own), own)])
    for call, days in ((through(), 1), (certified, 7)):
        approval_of(kept.tx, ERASING, call, kept.revocations)
        (proposal, *_) = list_rows(kept.tx, None, 9, NOW, [rules.PROPOSED])
        ends = [proposal.state_at(NOW + days * DAY - each) for each in (timedelta(seconds=1), timedelta(0))]
        assert ends == [rules.PROPOSED, rules.EXPIRED]


def test_a_confirmed_act_is_listed_until_it_is_done_rejected_or_expired(kept: Archive) -> None:
    reading = asked(kept, READING)
    confirmed, done, expired = (asked(kept, replace(ERASING, customer_id=each)) for each in ("A", "B", "C"))
    for approval in (confirmed, done, expired):
        decided(kept, approval)
    use(kept.tx, require_row(kept.tx, done.approval_id))
    kept.tx.execute("UPDATE approvals SET expire_time = 1 WHERE approval_id = :id", id=expired.approval_id)
    found = {
        "undecided": listed(kept, undecided=True),
        "confirmed": listed(kept, confirmed=True),
        "both": listed(kept, undecided=True, confirmed=True),
    }
    ids = [reading.approval_id], [confirmed.approval_id], [confirmed.approval_id, reading.approval_id]
    assert found == dict(zip(("undecided", "confirmed", "both"), ids, strict=True))
    assert len(listed(kept)) == 4


def listed(kept: Archive, *, undecided: bool = False, confirmed: bool = False) -> list[str]:
    """The ids that a member of staff is told."""
    request = ListApprovalsRequest(undecided=undecided, confirmed=confirmed)

    async def asked_for() -> ListApprovalsResponse:
        enter(Call(Identity("demo.example", Role.ROLE_STAFF, "sichuan", "zhao"), "ListApprovals", None))
        clock = cast("Clock", SimpleNamespace(now=lambda: NOW))
        service = ApprovalService(
            kept.context, cast("Store", Books(kept)), clock, cast("ScopeKeeper", None), frozenset()
        )
        context = cast("grpc.aio.ServicerContext[ListApprovalsRequest, ListApprovalsResponse]", None)
        return await service.ListApprovals(request, context)

    return [each.id for each in asyncio.run(asked_for()).approvals]


def test_an_expired_proposal_is_not_confirmed_and_is_listed_as_expired(kept: Archive) -> None:
    approval = asked(kept, after=-rules.TO_DECIDE_OF_PROVIDER)
    with pytest.raises(Refused) as caught:
        decided(kept, approval)
    assert caught.value.reason == Reason.REASON_APPROVAL_STATE_FORBIDS
    assert [each.state_at(NOW) for each in list_rows(kept.tx, None, 9, NOW)] == [rules.EXPIRED]
    assert list_rows(kept.tx, None, 9, NOW, [rules.PROPOSED]) == []


def test_approvals_are_listed_in_pages_of_bounded_bytes_and_none_is_left_out(
    kept: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [replace(ERASING, reference=f"{number} {'x' * 3000}") for number in range(3)]
    monkeypatch.setattr(pages, "PAGE_BYTES", 2 * 3500)  # two of them

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.db", migrations_of(*PACKAGES), region_keys())
        for act in long:
            await store.write(partial(approval_of, act=act, call=through(), revocations=kept.revocations))
        enter(Call(Identity("china", Role.ROLE_STAFF, "sichuan", "zhao"), "ListApprovals", None))
        service = ApprovalService(kept.context, store, SystemClock(), cast("ScopeKeeper", None), frozenset())
        call = cast("grpc.aio.ServicerContext[ListApprovalsRequest, ListApprovalsResponse]", None)
        first = await service.ListApprovals(ListApprovalsRequest(), call)
        last = await service.ListApprovals(ListApprovalsRequest(page_token=first.next_page_token), call)
        listed = [[each.reference for each in page.approvals] for page in (first, last)]
        assert listed == [[long[2].reference, long[1].reference], [long[0].reference]]
        assert last.next_page_token == ""
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("operator", "service", "reason"),
    [
        ("staff/wang", "AuditService", Reason.REASON_APPROVAL_AWAITED),
        ("staff/wang", "OrderService", Reason.REASON_REQUEST_INVALID),
        ("counter", "OrderService", Reason.REASON_APPROVAL_AWAITED),
        ("counter", "AuditService", Reason.REASON_REQUEST_INVALID),
    ],
)
def test_a_scope_gains_the_audit_chain_for_staff_alone_and_other_services_for_operator_systems_alone(
    kept: Archive, tmp_path: Path, operator: str, service: str, reason: Reason.ValueType
) -> None:
    file = tmp_path / "operators.toml"
    file.write_text("[kiosk]\n")

    async def scenario() -> Refused:
        store = SqliteStore(tmp_path / "store.db", migrations_of(*PACKAGES), region_keys())
        await store.write(lambda tx: take_over(tx, ScopeFile.load(file), NOW))
        enter(Call(Identity("china", Role.ROLE_STAFF, "sichuan", "li"), "SetOperatorScope", None))
        scopes = cast("ScopeKeeper", None)  # which looks after a change alone
        approvals = ApprovalService(kept.context, store, SystemClock(), scopes, frozenset({"OrderService"}))
        request = SetOperatorScopeRequest(operator=operator, scope=OperatorScope(services=[service]))
        call = cast("grpc.aio.ServicerContext[SetOperatorScopeRequest, SetOperatorScopeResponse]", None)
        with pytest.raises(Refused) as caught:
            await approvals.SetOperatorScope(request, call)
        await store.close()
        return caught.value

    refused = asyncio.run(scenario())
    assert refused.reason == reason
    assert "must be" not in text(reason, refused.parameters).zh_cn, "a Chinese reader gets Chinese words"


def test_a_reading_is_confirmed_by_who_knows_the_number(kept: Archive) -> None:
    approval = asked(kept, READING)
    for wrong in ("", "+8619851000002"):
        with pytest.raises(Refused) as caught:
            decided(kept, approval, number=wrong)
        assert caught.value.reason == Reason.REASON_APPROVAL_DIFFERS
    decided(kept, approval, number=NUMBER)
    assert asked(kept, READING).state == rules.CONFIRMED
    assert NUMBER not in str(asked(kept, READING))


def test_approvals_go_with_the_customer_and_a_month_after_their_end(kept: Archive) -> None:
    asked(kept), asked(kept, READING)
    forget_customer(kept.tx, "customer-1")
    forget_number(kept.tx, number_index(kept.tx, NUMBER))
    assert list_rows(kept.tx, None, 9, NOW) == []
    approval = asked(kept)
    forget_expired(kept.tx, NOW + rules.TO_DECIDE_OF_PROVIDER + 30 * DAY)
    assert list_rows(kept.tx, None, 9, NOW) == [approval]
    forget_expired(kept.tx, NOW + rules.TO_DECIDE_OF_PROVIDER + 31 * DAY)
    assert list_rows(kept.tx, None, 9, NOW) == []


@pytest.mark.parametrize(
    ("unproven", "people"),
    [(range(0), ""), (range(1), "/unproven"), (range(1000), "/unproven")],
    ids=["proven", "one unproven", "unproven"],
)
def test_a_region_reads_so_often_by_legal_duty_in_a_day_and_the_home_region_is_told_twice(
    kept: Archive, unproven: range, people: str
) -> None:
    def read(region: str = "guangdong", now: datetime = NOW, *, proven: bool = True) -> Denied | None:
        return over_limit(kept.tx, kept.context, region, now, proven=proven)

    limit = kept.context.federation.figure(DUTY_LIMIT.name, ())
    outcomes = [read(proven=each not in unproven) for each in range(limit + 2)]
    assert outcomes[:limit] == [None] * limit
    assert [each.reason for each in outcomes[limit:] if each] == [Reason.REASON_LEGAL_DUTY_LIMIT_REACHED] * 2
    assert read("henan") is None, "each region has a limit of its own"
    assert read("sichuan") is None, "the home region has none at itself"
    told = [timer for timer in due_timers(kept.tx, NOW) if timer.kind == DUTY_LIMIT.timer]
    for timer in told:
        alert = {timer.kind: lambda tx, each, now: readings_are_many(tx, kept.context, DUTY_LIMIT, each, now)}
        fire(kept.tx, timer, alert, NOW)
    alerts = [row.subject for row in audit.rows(kept.tx) if row.action == "AlertOfDutyReadings"]
    assert alerts == [f"duty-readings/guangdong/2031-11-24{people}"] * 2
    assert read(now=NOW + DAY) is None
    DUTY_LIMIT.forget(kept.tx, NOW + 31 * DAY)
    assert kept.tx.all(str, "SELECT day FROM duty_readings") == ["2031-11-25"]


def test_readings_that_a_version_without_proofs_has_counted_are_unproven(kept: Archive) -> None:
    over_limit(kept.tx, kept.context, "guangdong", NOW, proven=True)
    assert not DUTY_LIMIT.has_unproven(kept.tx, "guangdong", "2031-11-24")
    kept.tx.execute("UPDATE duty_readings SET readings = readings + 1")
    assert DUTY_LIMIT.has_unproven(kept.tx, "guangdong", "2031-11-24")
