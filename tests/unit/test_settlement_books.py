"""A month that both regions have signed is in the books of both: once, to the cent, also after a restore."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from gateway.api.region.v1.settlement_pb2 import SettlementPayment, SettlementState
from gateway.api.region.v1.settlement_service_pb2 import RecordSettlementPaymentRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import Identity
from gateway.security.peers import Certificates
from region_node.app.registered import settlement
from region_node.approvals.rules import TO_DECIDE, TO_DECIDE_OF_PROVIDER
from region_node.business.settlement.booking import keep
from region_node.business.settlement.payments import find_payment, record_payment
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CASH, HANDLING_FEES, RECONCILIATION, payable, receivable, settled
from tests.unit.reconciling import FEE, HOME, ORIGIN, Region, Two
from tests.unit.settling import (
    AFTER_JULY,
    AFTER_JUNE,
    JULY,
    JUNE,
    caller,
    kept,
    lose_statements,
    reason_of,
    sign,
    signed_by_both,
)
from tests.unit.settling import regions_with_payments_and_money_for_a_complaint as a_month
from tests.unit.staff_of_origin import CERTIFICATES, no_revocations, revoke

two_with_a_month = a_month
OWED = 100 + 250 + 40  # by the origin, for the records that both have


def books(region: Region) -> dict[str, int]:
    """The balances of the accounts between both regions."""
    other = HOME if region.name == ORIGIN else ORIGIN
    accounts = {"open": (payable(other), receivable(other)), "settled": (settled(other),), "fees": (HANDLING_FEES,)}
    return {name: sum(ledger.balance(region.tx, each) for each in found) for name, found in accounts.items()}


@pytest.mark.clause("10.3(3)")
def test_a_signature_moves_what_it_settles_to_what_is_left_to_pay_and_books_the_fees(two: Two) -> None:
    two.compare()
    assert books(two.origin) == {"open": OWED, "settled": 0, "fees": 0}
    sign(two, two.origin, JUNE, AFTER_JUNE)
    assert books(two.origin) == {"open": OWED, "settled": 0, "fees": 0}, "one signature settles nothing"
    sign(two, two.home, JUNE, AFTER_JUNE)
    (net,) = kept(two.origin).terms.net
    fees = OWED - net.minor_units
    assert fees == 2 * FEE
    assert books(two.origin) == {"open": 0, "settled": OWED - fees, "fees": fees}
    home = books(two.home)
    assert (home["settled"], home["fees"]) == (fees - OWED, -fees), "the other one has the opposite"
    assert home["open"] == -70, "the payment on its way is left to a later month"
    for region in two.by_name.values():
        (total,) = region.tx.all(int, "SELECT SUM(amount) FROM ledger_entries")
        assert total == 0


def test_a_month_is_booked_once_however_often_it_is_signed_and_a_restored_region_books_it_again(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    before = [books(each) for each in two.by_name.values()]
    sign(two, two.origin, JUNE, AFTER_JUNE)
    assert [books(each) for each in two.by_name.values()] == before
    restored = two.origin
    lose_statements(restored)
    sign(two, restored, JULY, AFTER_JULY)
    assert kept(restored).state == SettlementState.SETTLEMENT_STATE_SIGNED
    assert [books(each) for each in two.by_name.values()] == before


def test_a_line_of_a_kind_that_a_region_does_not_know_is_booked_as_a_correction(two: Two) -> None:
    two.compare()
    proposed = sign(two, two.origin, JUNE, AFTER_JUNE)
    told = kept(two.home)
    told.terms.lines[0].charge_kind = "later"
    amount = told.terms.lines[0].amount.minor_units
    assert amount
    assert proposed.terms.lines[0] != told.terms.lines[0]
    two.home.tx.execute("DELETE FROM settlement_statements")

    told.state = SettlementState.SETTLEMENT_STATE_SIGNED
    keep(two.home.tx, settlement(two.home.context.node), ORIGIN, told, AFTER_JUNE)
    assert ledger.balance(two.home.tx, RECONCILIATION) == amount


def pays(
    region: Region,
    staff_id: str,
    reference: str,
    month: str = JUNE,
    *,
    certificates: Certificates = (),
    at: datetime = AFTER_JULY,
) -> SettlementPayment:
    """A member of staff records a payment."""
    other = HOME if region.name == ORIGIN else ORIGIN
    who = replace(caller(region), identity=Identity("china", Role.ROLE_STAFF, region.name, staff_id))
    asked = RecordSettlementPaymentRequest(region=other, month=month, reference=reference)
    return record_payment(region.tx, settlement(region.context.node), who, certificates, asked, at)


@pytest.mark.clause("10.3(3)")
def test_money_leaves_by_two_members_of_staff_and_arrives_by_one_and_both_books_are_even(two: Two) -> None:
    two.compare()
    sign(two, two.origin, JUNE, AFTER_JUNE)
    assert reason_of(lambda: pays(two.origin, "li", "T1")) == "SETTLEMENT_NOT_FOUND", "not both have signed"
    sign(two, two.home, JUNE, AFTER_JUNE)
    (net,) = kept(two.origin).terms.net
    cash = ledger.balance(two.origin.tx, CASH)
    assert not pays(two.origin, "li", "T0").HasField("record_time")
    assert not pays(two.origin, "li", "T1").HasField("record_time"), "whoever proposes may correct the reference"
    told = [reason_of(partial(pays, two.origin, own, "T1")) for own in ("li", "LI")]
    assert told == ["SETTLEMENT_PAYER_IS_PROPOSER"] * 2
    assert reason_of(lambda: pays(two.origin, "zhao", "T0")) == "SETTLEMENT_PAYMENT_DIFFERS"
    assert ledger.balance(two.origin.tx, CASH) == cash, "nothing has left"
    paid = pays(two.origin, "zhao", "T1")
    assert (paid.proposer, paid.recorder, paid.amounts[0].minor_units) == ("li", "zhao", net.minor_units)
    assert books(two.origin)["settled"] == 0
    assert ledger.balance(two.origin.tx, CASH) - cash == net.minor_units
    for staff_id in ("li", "zhao", "wang"):
        assert reason_of(lambda staff=staff_id: pays(two.origin, staff, "T1")) == "SETTLEMENT_PAID"  # type: ignore[misc]
    received = pays(two.home, "chen", "T1")
    assert (received.recorder, received.amounts[0].minor_units) == ("chen", -net.minor_units)
    assert (books(two.home)["settled"], ledger.balance(two.home.tx, CASH)) == (0, -net.minor_units)
    assert find_payment(two.home.tx, settlement(two.home.context.node), ORIGIN, JUNE) == received
    signed_by_both(two, JULY, AFTER_JULY)
    assert reason_of(lambda: pays(two.home, "chen", "T2", JULY)) == "SETTLEMENT_NOTHING_OWED"


def test_the_payment_of_a_thief_is_proposed_anew_once_the_certificate_is_revoked(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    revocations = no_revocations()
    monkeypatch.setattr(two.origin.context.node.border.keys, "revocations", revocations)
    pays(two.origin, "li", "STOLEN", certificates=CERTIFICATES)
    assert reason_of(lambda: pays(two.origin, "zhao", "T1")) == "SETTLEMENT_PAYMENT_DIFFERS"
    revoke(revocations)
    anew = pays(two.origin, "zhao", "STOLEN")
    assert (anew.proposer, anew.recorder, anew.HasField("record_time")) == ("zhao", "", False)
    assert pays(two.origin, "wang", "STOLEN").recorder == "wang"


def test_a_payment_that_nobody_confirms_in_a_week_is_proposed_anew(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    pays(two.origin, "li", "T1", certificates=CERTIFICATES)
    late = AFTER_JULY + TO_DECIDE
    in_time = late - timedelta(seconds=1)
    assert reason_of(lambda: pays(two.origin, "zhao", "T2", at=in_time)) == "SETTLEMENT_PAYMENT_DIFFERS"
    assert not pays(two.origin, "zhao", "T2", at=late).HasField("record_time")
    late += TO_DECIDE_OF_PROVIDER
    assert pays(two.origin, "li", "T2", at=late).recorder == "", "the identity provider alone has vouched for zhao"
    assert pays(two.origin, "zhao", "T2", at=late).recorder == "zhao"


def test_a_month_that_an_earlier_version_signed_is_booked_with_its_payment(two: Two) -> None:
    two.compare()
    signed_by_both(two, JUNE, AFTER_JUNE)
    before = books(two.home)
    for trigger in ("ledger_never_changes", "ledger_never_forgets"):
        two.home.tx.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    two.home.tx.execute("DELETE FROM ledger_entries WHERE kind = 'settled'")
    pays(two.home, "chen", "T1")
    assert books(two.home) == {**before, "settled": 0}
