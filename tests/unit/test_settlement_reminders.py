"""A month of settlement that is not answered, or disputed, reminds the persons on duty of both regions until it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.settlement_service_pb2 import DisputeSettlementRequest, RecordSettlementPaymentRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.body import Body
from gateway.security.identity import Identity
from gateway.store.timers import TimerHandler, due_timers, fire
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.business.settlement.payments import record_payment
from region_node.business.settlement.rows import ANSWER_TIMER, PAYMENT_TIMER, keep_statement
from region_node.business.settlement.unproposed import MONTH_TIMER, ensure_settlement_months, month_has_ended
from region_node.care.escalations.duty import with_duty
from region_node.care.escalations.settlements import answer_is_due, payment_is_due
from region_node.requests.caller import Caller
from tests.shipped import shipped_configuration
from tests.unit.reconciling import HOME, ORIGIN, Region, Two
from tests.unit.settling import AFTER_JULY, AFTER_JUNE, JULY, JUNE, caller, kept, settle, sign, signed_by_both
from tests.unit.settling import regions_with_payments_and_money_for_a_complaint as a_month
from tests.unit.situations import FEDERATION

two_with_a_month = a_month
WEEK = timedelta(days=7)  # longer than the three working days of the matrix


@pytest.fixture(name="both")
def regions_with_sinks(two: Two) -> Two:
    for each in two.by_name.values():
        each.context = replace(each.context, node=replace(each.context.node, sinks={"file": 1}))
    return two


def passes(region: Region, now: datetime) -> None:
    """Fires what is due by then, once."""
    settled = settlement(region.context.node)
    handlers: Mapping[str, TimerHandler] = {
        ANSWER_TIMER: lambda tx, timer, now: answer_is_due(tx, settled, timer, now),
        PAYMENT_TIMER: lambda tx, timer, now: payment_is_due(tx, settled, timer, now),
        MONTH_TIMER: lambda tx, timer, now: month_has_ended(tx, settled, timer, now),
    }
    for timer in due_timers(region.tx, now):
        if timer.kind in handlers:
            fire(region.tx, timer, handlers, now)


def notices(region: Region) -> list[RaisedComplaint]:
    return region.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY level")


def reminded(region: Region, now: datetime) -> Sequence[tuple[int, str, str]]:
    """The level of each reminder of a signature, and whose person on duty it calls."""
    found = []
    for each in notices(region):
        if "/payment/" in each.id:
            continue
        duty = with_duty(each, Body(shipped_configuration()), now).on_duty
        found.append((each.level, duty.region, duty.department))
    return found


@pytest.mark.clause("10.3(1)")
def test_an_unanswered_month_reminds_both_regions_again_and_again_until_it_is_signed(both: Two) -> None:
    sign(both, both.origin, JUNE, AFTER_JUNE)
    for region in both.by_name.values():
        passes(region, AFTER_JUNE)
        assert not reminded(region, AFTER_JUNE), "there is time to answer"
        passes(region, AFTER_JUNE + WEEK)
        assert reminded(region, AFTER_JUNE) == [(3, region.name, "SETTLEMENT")]
        passes(region, AFTER_JUNE + WEEK)
        for weeks in (2, 3, 4):
            passes(region, AFTER_JUNE + weeks * WEEK)
        assert [level for level, _, _ in reminded(region, AFTER_JUNE)] == [3, 4, 5, 5]
    sign(both, both.home, JUNE, AFTER_JUNE + 5 * WEEK, accepts=True)
    for region in both.by_name.values():
        passes(region, AFTER_JUNE + 9 * WEEK)
        assert len(reminded(region, AFTER_JUNE)) == 4, "it is signed"


@pytest.mark.clause("10.3(1)")
def test_a_month_that_the_first_region_never_proposes_reminds_both_until_a_later_one_has_it(both: Two) -> None:
    regions = both.by_name.values()
    for region in regions:
        ensure_settlement_months(region.tx, AFTER_JUNE - 2 * WEEK)
        for moment in (AFTER_JUNE - 2 * WEEK, AFTER_JUNE, AFTER_JUNE, AFTER_JUNE + timedelta(hours=1)):
            passes(region, moment)
        assert not reminded(region, AFTER_JUNE), "there is time to propose"
        passes(region, AFTER_JUNE + WEEK)
        assert reminded(region, AFTER_JUNE) == [(3, region.name, "SETTLEMENT")]
        for moment in (AFTER_JULY, AFTER_JULY, AFTER_JULY, AFTER_JULY + WEEK):
            passes(region, moment)
        assert [level for level, _, _ in reminded(region, AFTER_JUNE)] == [3, 4, 5], "July goes on where June was"
    sign(both, both.origin, JULY, AFTER_JULY + WEEK)
    sign(both, both.home, JULY, AFTER_JULY + WEEK, accepts=True)
    for region in regions:
        for weeks in (2, 3, 4):
            passes(region, AFTER_JULY + weeks * WEEK)
        assert len(reminded(region, AFTER_JUNE)) == 3


def paid(region: Region, month: str, now: datetime, *, by: str = "li", reference: str = "T-1") -> None:
    """A member of staff records a payment, or proposes it."""
    other = HOME if region.name == ORIGIN else ORIGIN
    who = Caller(Identity("china", Role.ROLE_STAFF, region.name, by), uuid4().hex, "")
    asked = RecordSettlementPaymentRequest(region=other, month=month, reference=reference)
    record_payment(region.tx, settlement(region.context.node), who, (), asked, now)


def payment_reminders(region: Region) -> list[str]:
    return [each.id for each in notices(region) if "/payment/" in each.id]


@pytest.mark.clause("10.3(1)")
def test_a_signed_month_reminds_each_region_until_that_region_has_recorded_the_payment(both: Two) -> None:
    both.compare()
    signed = signed_by_both(both, JUNE, AFTER_JUNE)
    for region in both.by_name.values():
        passes(region, AFTER_JUNE)
        passes(region, AFTER_JUNE + WEEK)
        assert payment_reminders(region) == [], "the matrix gives ten working days"
        passes(region, AFTER_JUNE + 3 * WEEK)
        assert payment_reminders(region) == [f"{signed.id}/payment/L3"]
        [told] = notices(region)
        duty = with_duty(told, Body(shipped_configuration()), AFTER_JUNE).on_duty
        assert (duty.region, duty.department, told.matter) == (region.name, "FINANCE", "settlement-payment")
    paid(both.origin, JUNE, AFTER_JUNE + 6 * WEEK)
    paid(both.home, JUNE, AFTER_JUNE + 3 * WEEK)
    for region in both.by_name.values():
        passes(region, AFTER_JUNE + 6 * WEEK)
    assert [len(payment_reminders(each)) for each in (both.origin, both.home)] == [2, 1], "one has only proposed it"
    paid(both.origin, JUNE, AFTER_JUNE + 6 * WEEK, by="wang")
    for region in both.by_name.values():
        for weeks in (9, 12):
            passes(region, AFTER_JUNE + weeks * WEEK)
    assert [len(payment_reminders(each)) for each in (both.origin, both.home)] == [2, 1]


def test_the_earliest_unpaid_month_reminds_alone_and_a_signed_one_that_comes_again_starts_nothing_anew(
    both: Two,
) -> None:
    both.compare()
    june = signed_by_both(both, JUNE, AFTER_JUNE)
    both.order("pay-july", 500, taken_in=AFTER_JUNE + WEEK)
    july = signed_by_both(both, JULY, AFTER_JULY)
    passes(both.home, AFTER_JULY)
    keep_statement(both.home.tx, ORIGIN, kept(both.home), AFTER_JULY)
    passes(both.home, AFTER_JULY + 3 * WEEK)
    assert payment_reminders(both.home) == [f"{june.id}/payment/L3", f"{june.id}/payment/L4"]
    paid(both.home, JUNE, AFTER_JULY + 4 * WEEK)
    keep_statement(both.home.tx, ORIGIN, kept(both.home), AFTER_JULY + 4 * WEEK)
    passes(both.home, AFTER_JULY + 6 * WEEK)
    found = [f"{june.id}/payment/L3", f"{july.id}/payment/L3", f"{june.id}/payment/L4"]
    assert sorted(payment_reminders(both.home)) == sorted(found)


def test_a_signed_month_of_which_nothing_is_left_to_pay_reminds_nobody(both: Two) -> None:
    for each in both.by_name.values():
        each.tx.execute("DELETE FROM orders")
    signed_by_both(both, JUNE, AFTER_JUNE)
    for each in both.by_name.values():
        for weeks in (0, 3, 6):
            passes(each, AFTER_JUNE + weeks * WEEK)
        assert payment_reminders(each) == []


def test_a_month_in_which_nobody_owes_anything_reminds_nobody(both: Two) -> None:
    ensure_settlement_months(both.home.tx, AFTER_JULY + 2 * WEEK)
    both.home.tx.execute("DELETE FROM orders")
    for weeks in (2, 5, 6, 7):
        passes(both.home, AFTER_JULY + weeks * WEEK)
    assert not reminded(both.home, AFTER_JULY)


def test_an_open_dispute_reminds_both_regions_from_the_dispute_on(both: Two) -> None:
    sign(both, both.origin, JUNE, AFTER_JUNE)
    asked = DisputeSettlementRequest(region=ORIGIN, month=JUNE, charge_kind="payment", of_month=JUNE, note="no")
    disputed = AFTER_JUNE + timedelta(days=2)
    signing.dispute(both.home.tx, settlement(both.home.context.node), caller(both.home), asked, disputed)
    settle(both, disputed)
    for region in both.by_name.values():
        passes(region, disputed)
        passes(region, AFTER_JUNE + timedelta(days=3, hours=12))
        assert not reminded(region, disputed)
        passes(region, disputed + WEEK)
        assert reminded(region, disputed) == [(3, region.name, "SETTLEMENT")]


def test_months_that_a_region_proposes_beside_each_other_make_one_reminder_and_a_suspended_region_none(
    both: Two,
) -> None:
    sign(both, both.origin, JUNE, AFTER_JUNE)
    for month in ("2001-01", "2001-02", "2001-03"):
        flood = kept(both.home)
        flood.terms.month = month
        keep_statement(both.home.tx, ORIGIN, flood, AFTER_JUNE)
    passes(both.home, AFTER_JUNE)
    passes(both.home, AFTER_JUNE + WEEK)
    assert len(reminded(both.home, AFTER_JUNE)) == 1
    suspended = MemberState.MEMBER_STATE_SUSPENDED
    both.origin.context.node.border.current.update(FEDERATION, [Member(region=HOME, state=suspended)])
    passes(both.origin, AFTER_JUNE)
    passes(both.origin, AFTER_JUNE + WEEK)
    assert not reminded(both.origin, AFTER_JUNE)
