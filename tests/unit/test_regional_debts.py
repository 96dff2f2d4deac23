"""What the network of one region costs another, and parts under a warranty: both regions owe the same, once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import payable, receivable
from region_node.network.faults import outages, parts, regional
from tests.unit.reconciling import DAY, HOME, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions

RENT, PRICE, HOUR = 1200, 9900, timedelta(hours=1)
MONTH = "2030-06"


@pytest.fixture(name="two")
def two_without_records() -> Iterator[Two]:
    """The origin is the region of the faults here."""
    with two_regions() as two:
        yield two


def late_fault() -> Fault:
    fault = Fault(id=f"{ORIGIN}/F20300614-1", owner_region=ORIGIN, origin_region=ORIGIN, home_region=HOME)
    fault.cause = FaultCause.FAULT_CAUSE_CABLE
    fault.outages.add(start_time=to_timestamp(TAKEN_IN - 100 * HOUR), end_time=to_timestamp(TAKEN_IN - HOUR))
    fault.repair.parts.add(
        number=1,
        in_warranty=True,
        price=Money(minor_units=PRICE, currency="CNY"),
        quote=parts.FREE,
        install_time=to_timestamp(TAKEN_IN),
    )
    return fault


def claim(outage: int = 0, amount: int = RENT, currency: str = "CNY", time: datetime = TAKEN_IN) -> FaultWaived.Waived:
    claimed = FaultWaived.Waived(outage=outage, owed=Money(minor_units=amount, currency=currency))
    claimed.waiver.time.CopyFrom(to_timestamp(time))
    return claimed


def claims(region: Region, fault: Fault) -> None:
    regional.claim_rent(region.tx, region.context.node, fault, 0, RENT, TAKEN_IN, TAKEN_IN)


def owes(region: Region, fault: Fault, claimed: FaultWaived.Waived) -> bool:
    return regional.owe_rent(region.tx, region.context.node, fault, claimed, TAKEN_IN)


def lines(region: Region, other: str) -> dict[str, tuple[int, int]]:
    terms = signing.computed(region.tx, settlement(region.context.node), other, MONTH)
    return {each.charge_kind: (each.quantity, each.amount.minor_units) for each in terms.lines}


def test_both_regions_charge_the_same_rent_and_parts_once_and_agree_at_night(two: Two) -> None:
    fault = late_fault()
    for _ in range(2):  # each version and each receipt may come again
        claims(two.home, fault)
        owes(two.origin, fault, claim())
        for each in two.by_name.values():
            regional.settle_parts(each.tx, each.context.node, fault, TAKEN_IN)
    expected = {"waived-rent": (1, RENT), "warranty-part": (-1, -PRICE)}
    assert lines(two.origin, HOME) == lines(two.home, ORIGIN) == expected
    owed = ledger.balance(two.origin.tx, payable(HOME)) + ledger.balance(two.origin.tx, receivable(HOME))
    assert owed == RENT - PRICE
    two.compare()
    assert two.origin.named == two.home.named == {}
    assert [each.name for each in two.by_name.values() if each.days] == [ORIGIN, HOME]


def test_a_claim_that_the_other_region_has_not_is_a_difference_and_in_no_statement(two: Two) -> None:
    claims(two.home, late_fault())
    two.compare(DAY, NIGHT)
    assert list(two.home.named.values()) == ["missing_there"]
    assert lines(two.home, ORIGIN) == {}


def test_no_region_owes_rent_that_it_cannot_believe(two: Two) -> None:
    fault, forced, unrepaired = late_fault(), late_fault(), late_fault()
    forced.cause = FaultCause.FAULT_CAUSE_FORCE_MAJEURE
    unrepaired.outages[0].ClearField("end_time")
    never = claim()
    never.waiver.time.seconds = 10**15
    dearest = max(each.monthly_rent.minor_units for each in two.home.context.node.federation.configuration.plans)
    cases = {
        "no such outage": (fault, claim(outage=1)),
        "more than the dearest plan": (fault, claim(amount=dearest)),
        "nothing": (fault, claim(amount=0)),
        "less than nothing": (fault, claim(amount=-5)),
        "another currency": (fault, claim(currency="USD")),
        "before the repair": (fault, claim(time=TAKEN_IN - timedelta(days=3))),
        "in the future": (fault, claim(time=TAKEN_IN + timedelta(days=3))),
        "out of the calendar": (fault, never),
        "force majeure": (forced, claim()),
        "not repaired": (unrepaired, claim()),
    }
    assert [case for case, (told, claimed) in cases.items() if owes(two.origin, told, claimed)] == []
    claims(two.home, forced)
    assert lines(two.home, ORIGIN) == lines(two.origin, HOME) == {}


def test_a_fault_that_was_reopened_owes_the_rent_of_each_outage_by_the_cause_of_that_outage(two: Two) -> None:
    fault = late_fault()
    fault.outages[0].cause = FaultCause.FAULT_CAUSE_CABLE
    fault.outages.add(
        start_time=to_timestamp(TAKEN_IN - timedelta(minutes=50)),
        end_time=to_timestamp(TAKEN_IN - timedelta(minutes=40)),
        cause=FaultCause.FAULT_CAUSE_FORCE_MAJEURE,
    )
    fault.cause = FaultCause.FAULT_CAUSE_FORCE_MAJEURE
    assert [owes(two.origin, fault, claim(outage, amount=1)) for outage in (0, 1)] == [True, False]
    claims(two.home, fault)
    assert lines(two.home, ORIGIN)["waived-rent"] == (1, RENT)


def test_a_claim_that_comes_again_after_another_cause_was_found_stays_owed_and_is_no_difference(two: Two) -> None:
    fault = late_fault()
    assert owes(two.origin, fault, claim())
    fault.cause = FaultCause.FAULT_CAUSE_FORCE_MAJEURE  # of the repair after the customer had reopened it
    assert owes(two.origin, fault, claim())
    assert lines(two.origin, HOME) == {"waived-rent": (1, RENT)}


def test_parts_that_the_customer_pays_or_that_nobody_put_in_are_owed_by_no_region(two: Two) -> None:
    accepted, missing, dear, own = (late_fault() for _ in range(4))
    accepted.repair.parts[0].quote = parts.ACCEPTED
    missing.repair.parts[0].ClearField("install_time")
    dear.repair.parts[0].price.minor_units = 10**9
    own.home_region = ORIGIN
    for fault in (accepted, missing, dear, own):
        regional.settle_parts(two.origin.tx, two.origin.context.node, fault, TAKEN_IN)
    assert lines(two.origin, HOME) == {}


def test_a_debt_belongs_to_the_month_in_which_the_home_region_gave_the_rent_back(two: Two) -> None:
    fault, july = late_fault(), datetime(2030, 6, 30, 16, tzinfo=UTC)  # midnight in China
    fault.outages[0].end_time.CopyFrom(to_timestamp(july - HOUR))
    regional.claim_rent(two.home.tx, two.home.context.node, fault, 0, RENT, july, july)
    late = july + timedelta(days=2)  # the receipt was long on its way
    assert regional.owe_rent(two.origin.tx, two.origin.context.node, fault, claim(time=july), late)
    assert outages.span_of(fault.outages[0])[1] < july
    assert lines(two.origin, HOME) == lines(two.home, ORIGIN) == {}
    terms = [
        signing.computed(each.tx, settlement(each.context.node), other, "2030-07")
        for each, other in ((two.origin, HOME), (two.home, ORIGIN))
    ]
    assert [[line.of_month for line in each.lines] for each in terms] == [["2030-07"]] * 2
