"""The credit of an agreement whose outages lie in another region's network: both regions owe the same share, once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, OutageCause, ServiceOutage
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.region.v1.outage_envelopes_pb2 import CreditClaim
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, reason_name
from gateway.relay.border import Command
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from region_node.app.registered import settlement
from region_node.business.billing.rules import Month
from region_node.business.settlement import signing
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import COMPENSATION, payable, receivable
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow
from region_node.network.agreements import moved, operations, regional
from region_node.network.agreements.causes import caused_credit, causes_of, shares, times
from region_node.network.agreements.outages import keep_outage
from region_node.network.agreements.relayed import OutageEnvelopes
from region_node.network.agreements.rows import NUMBERS, running_of
from region_node.network.agreements.statements import settle
from tests.unit.reconciling import HOME, ORIGIN, Region, Two, two_regions
from tests.unit.situations import LINE

OTHER = ORIGIN  # whose network was out
SERVICE = "lines-chengdu-guangzhou"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH = Month.of("2030-06", "Asia/Shanghai")
STATED, NIGHT = datetime(2030, 7, 1, 4, tzinfo=UTC), datetime(2030, 7, 1, 17, tzinfo=UTC)
CHARGE = 100_000
CREDIT = 20_000  # of the lowest band
CLAIM = EnvelopeKind.ENVELOPE_KIND_CREDIT_CLAIMED
OPERATOR, PLANNED = OutageCause.OUTAGE_CAUSE_OPERATOR, OutageCause.OUTAGE_CAUSE_PLANNED


@pytest.fixture(name="two")
def two_without_records() -> Iterator[Two]:
    with two_regions() as two:
        yield two


def agree(two: Two) -> Agreement:
    node, tx = two.home.context.node, two.home.tx
    line = replace(LINE, start_time=MONTH.start - 400 * DAY)
    keep_customer(tx, CustomerRow(line.customer_id, "王芳", ""))
    keep_line(tx, line, MONTH.start - 400 * DAY)
    asked = CreateAgreementRequest(
        number=line.number,
        service=SERVICE,
        template="leased-line",
        monthly_charge=Money(minor_units=CHARGE, currency="CNY"),
    )
    return operations.create(tx, node, "chen", asked, MONTH.start)


def out(
    two: Two,
    region: str,
    after: timedelta,
    lasts: timedelta,
    cause: OutageCause.ValueType = OPERATOR,
    *,
    announced: timedelta | None = None,
    version: int = 1,
    withdrawn: bool = False,
) -> None:
    """An outage as both regions have it."""
    start = MONTH.start + after
    outage = ServiceOutage(
        source=f"{region}/fault/{after}",
        service=SERVICE,
        region=region,
        start_time=to_timestamp(start),
        end_time=to_timestamp(start + lasts),
        cause=cause,
        version=version,
        withdrawn=withdrawn,
    )
    if announced is not None:
        outage.announce_time.CopyFrom(to_timestamp(start - announced))
    for each in two.by_name.values():
        keep_outage(each.tx, each.context.node, outage, start)


def state(two: Two, agreement: Agreement, now: datetime = STATED) -> list[EnvelopeContent]:
    """The home region states the month; the claims that it sends."""
    assert settle(two.home.tx, two.home.context.node, agreement, MONTH, now)
    return [each for each in two.home.waiting() if each.kind == CLAIM]


def handler(region: Region) -> Command:
    found = OutageEnvelopes(region.context.node).kinds()[CLAIM]
    assert isinstance(found, Command)
    return found


def take(two: Two, content: EnvelopeContent, now: datetime = STATED) -> None:
    told = handler(two.origin).act(two.origin.tx, content, now)
    assert told.outcome == Outcome.OUTCOME_ACCEPTED


def owed(region: Region, other: str) -> int:
    """What a region owes the other by its ledger, less what it is owed."""
    return sum(ledger.balance(region.tx, account(other)) for account in (payable, receivable))


def lines(region: Region, other: str) -> Mapping[str, int]:
    terms = signing.computed(region.tx, settlement(region.context.node), other, "2030-07")
    return {each.charge_kind: each.amount.minor_units for each in terms.lines}


def test_the_region_of_the_outages_owes_its_share_of_the_credit_once_and_both_agree_at_night(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    out(two, HOME, 5 * DAY, 5 * HOUR)
    (claim,) = state(two, agreement)
    for _ in range(2):  # a claim may come again
        take(two, claim)
    share = 13_333  # two thirds; the larger remainder is the home region's
    assert owed(two.origin, HOME) == -owed(two.home, OTHER) == share
    assert ledger.balance(two.home.tx, COMPENSATION) == share - CREDIT
    assert ledger.balance(two.origin.tx, COMPENSATION) == -share
    two.compare(date(2030, 7, 1), NIGHT)
    assert two.origin.named == two.home.named == {}
    assert lines(two.origin, HOME) == lines(two.home, OTHER) == {"agreement-credit": share}


def test_each_revision_claims_the_difference_and_a_withdrawn_outage_is_given_back(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, HOUR)
    (first,) = state(two, agreement)
    out(two, OTHER, 4 * DAY, 20 * HOUR)
    (second,) = state(two, agreement, STATED + HOUR)
    for each in (first, second):
        take(two, each, STATED + HOUR)
    assert owed(two.origin, HOME) == -owed(two.home, OTHER) == CREDIT
    for start in (2 * DAY, 4 * DAY):
        out(two, OTHER, start, HOUR, version=2, withdrawn=True)
    (third,) = state(two, agreement, STATED + 2 * HOUR)
    take(two, third, STATED + 2 * HOUR)
    assert owed(two.origin, HOME) == owed(two.home, OTHER) == 0
    assert ledger.balance(two.origin.tx, COMPENSATION) == ledger.balance(two.home.tx, COMPENSATION) == 0
    two.compare(date(2030, 7, 1), NIGHT)
    assert two.origin.named == two.home.named == {}
    assert lines(two.origin, HOME) == lines(two.home, OTHER) == {"agreement-credit": 0}


def test_neither_force_majeure_nor_work_announced_in_time_nor_own_outages_are_charged(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR, OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE)
    out(two, OTHER, 5 * DAY, 10 * HOUR, PLANNED, announced=5 * DAY)
    out(two, HOME, 9 * DAY, 10 * HOUR)
    assert state(two, agreement) == []
    assert owed(two.home, OTHER) == 0


def test_a_claim_that_was_being_booked_at_a_kill_is_booked_once_afterwards(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    (claim,) = state(two, agreement)
    two.origin.tx.execute("SAVEPOINT killed")
    take(two, claim)
    two.origin.tx.execute("ROLLBACK TO killed")
    assert owed(two.origin, HOME) == 0
    take(two, claim)
    assert owed(two.origin, HOME) == CREDIT


def test_a_home_that_has_lost_a_moved_customer_and_takes_it_over_once_more_is_owed_the_same_share_once(
    two: Two,
) -> None:
    tx, node = two.home.tx, two.home.context.node
    told = agree(two)
    told.id = f"{OTHER}/agreement-7"
    tx.execute("DELETE FROM agreements")
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    tx.execute("SAVEPOINT backup")
    for stated in (STATED, STATED + DAY):
        moved.take_over(tx, node, [told], {told.product_id: LINE}, MONTH.start, stated)
        (agreement,) = running_of(tx, LINE.product_id, MONTH.start)
        (claim,) = state(two, agreement, stated)
        take(two, claim, stated)
        assert owed(two.origin, HOME) == -owed(two.home, OTHER) == CREDIT
        tx.execute("ROLLBACK TO backup")
        NUMBERS.skip(tx, 1000)  # as after each loss of the newest part of a database


def _later(claim: CreditClaim) -> None:
    claim.create_time.CopyFrom(to_timestamp(STATED + 3 * DAY))


def _running(claim: CreditClaim) -> None:
    claim.month = "2030-07"


def _long(claim: CreditClaim) -> None:
    end = from_timestamp(claim.causes[0].end_time) + timedelta(microseconds=1)
    claim.causes[0].end_time.CopyFrom(to_timestamp(end))


CHANGES: Mapping[str, Callable[[CreditClaim], object]] = {
    "nothing": lambda each: setattr(each.owed, "minor_units", 0),
    "less than nothing together": lambda each: setattr(each.owed, "minor_units", -1),
    "more than the charge": lambda each: setattr(each.owed, "minor_units", CHARGE + 1),
    "another currency": lambda each: setattr(each.owed, "currency", "USD"),
    "another currency of the charge": lambda each: setattr(each.monthly_charge, "currency", "USD"),
    "no outage": lambda each: each.ClearField("causes"),
    "too many outages": lambda each: each.causes.extend([each.causes[0]] * regional.MOST_CAUSES),
    "an unknown outage": lambda each: setattr(each.causes[0], "source", f"{OTHER}/fault/none"),
    "an outage of another region": lambda each: setattr(each.causes[0], "source", f"{HOME}/fault/5 days, 0:00:00"),
    "longer than it was": _long,
    "of no time": lambda each: each.causes[0].end_time.CopyFrom(each.causes[0].start_time),
    "of another service": lambda each: setattr(each, "service", "none"),
    "an outage out of the calendar": lambda each: setattr(each.causes[0].end_time, "seconds", 10**15),
    "no revision": lambda each: setattr(each, "revision", 0),
    "stated in the future": _later,
    "stated before the end of the month": _running,
    "stated out of the calendar": lambda each: setattr(each.create_time, "seconds", 10**15),
    "no month": lambda each: setattr(each, "month", "June"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_no_region_owes_a_credit_that_it_cannot_believe(two: Two, case: str) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    out(two, HOME, 5 * DAY, 10 * HOUR)
    (content,) = state(two, agreement)
    claim = CreditClaim.FromString(content.payload)
    CHANGES[case](claim)
    content.payload, content.subject = claim.SerializeToString(), regional.subject_of(claim)
    with pytest.raises(Refused) as refused:
        take(two, content)
    assert reason_name(refused.value.reason) == "CREDIT_CLAIM_IMPLAUSIBLE"
    assert owed(two.origin, HOME) == 0


def test_a_refused_claim_is_a_difference_and_in_no_statement(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    (content,) = state(two, agreement)
    receipt = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_REFUSED)
    receipt.reason_parameters["problem"] = "not 1 to 1000 outages"
    handler(two.home).answered(two.home.tx, content, receipt, STATED)
    assert two.home.tx.all(str, "SELECT detail FROM audit WHERE action = 'CreditRefused'") == [
        f"{OTHER}: not 1 to 1000 outages"
    ]
    two.compare(date(2030, 7, 1), NIGHT)
    assert list(two.home.named.values()) == ["missing_there"]
    assert lines(two.home, OTHER) == {}


def test_nobody_but_the_home_region_claims(two: Two) -> None:
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    (content,) = state(two, agreement)
    content.origin = "henan"
    with pytest.raises(Refused) as refused:
        take(two, content)
    assert reason_name(refused.value.reason) == "ENVELOPE_KIND_NOT_ALLOWED"


def stated(*told: tuple[Kind.ValueType, int, int, str]) -> AgreementStatement:
    """A statement with lines from and until a microsecond."""
    statement = AgreementStatement()
    for kind, start, end, source in told:
        begins, ends = (to_timestamp(from_microseconds(each)) for each in (start, end))
        statement.lines.add(kind=kind, start_time=begins, end_time=ends, source=source)
    return statement


OUTAGE, WAIVED = Kind.STATEMENT_LINE_KIND_OUTAGE, Kind.STATEMENT_LINE_KIND_WAIVED


def test_outages_that_were_down_together_count_for_each_region_and_without_excluded_time() -> None:
    statement = stated((OUTAGE, 0, 10, "a/1 + b/1"), (OUTAGE, 20, 30, "a/2"), (WAIVED, 5, 25, ""))
    causes = causes_of(statement)
    assert times(causes, causes, "home") == {"a": 10, "b": 5}
    alone = [each for each in causes if each.region != "b"]
    assert times(causes, alone, "home") == {"a": 10}, "another region of that time is charged"
    assert times(causes, [], "home") == {"home": 10}, "what nobody is charged with is the home region's"


def test_a_cap_cuts_the_credit_for_quality_first() -> None:
    statement = AgreementStatement(credit=Money(minor_units=25))
    statement.lines.add(kind=Kind.STATEMENT_LINE_KIND_AVAILABILITY, amount=Money(minor_units=20))
    statement.lines.add(kind=Kind.STATEMENT_LINE_KIND_QUALITY, amount=Money(minor_units=10))
    assert caused_credit(statement) == 20
    statement.credit.minor_units = 15
    assert caused_credit(statement) == 15


@given(st.integers(0, 10**12), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3 * 10**12)))
def test_shares_sum_to_the_amount_and_differ_by_less_than_one_from_the_exact_ones(
    amount: int, weights: dict[str, int]
) -> None:
    found, total = shares(amount, weights), sum(weights.values())
    assert sum(found.values()) == (amount if total else 0)
    for region, share in found.items():
        assert abs(share * total - amount * weights[region]) < total
    assert shares(amount, dict(reversed(weights.items()))) == found
