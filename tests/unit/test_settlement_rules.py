"""The terms of a settlement: nothing is lost, nothing is counted twice, and the order of records does not matter."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.settlement_pb2 import SettlementLine, SettlementTerms
from gateway.api.types.v1.types_pb2 import Money
from region_node.business.settlement import rules
from region_node.business.settlement.rules import Charge, Key, Tally

FIRST, SECOND = "guangdong", "sichuan"
REGIONS = (FIRST, "henan", SECOND)
MAY = Key("payment", "2030-05", "CNY")
KINDS = ("payment", "handling")
CHARGES = st.lists(
    st.builds(
        Charge,
        serial=st.uuids().map(str),
        debtor=st.sampled_from((FIRST, SECOND)),
        amount=st.integers(-(10**12), 10**12),
        currency=st.sampled_from(("CNY", "")),
    ),
    max_size=20,
)


def owed(lines: Sequence[SettlementLine]) -> int:
    """What the first region owes the second."""
    return sum(each.minor_units for each in rules.net(lines))


@given(charges=CHARGES, source=st.randoms())
def test_the_order_of_charges_does_not_matter_and_no_cent_is_lost(charges: list[Charge], source: Random) -> None:
    shuffled = list(charges)
    source.shuffle(shuffled)
    tally = rules.tallied(charges, MAY, FIRST, ())
    assert rules.tallied(shuffled, MAY, FIRST, ()) == tally
    expected = sum(each.amount if each.debtor == FIRST else -each.amount for each in charges)
    assert sum(each.amount for each in tally.values()) == owed(rules.lines(tally, (), KINDS)) == expected


@given(owing=st.lists(st.tuples(st.permutations(REGIONS), st.integers(0, 10**9)), max_size=20))
def test_the_net_positions_of_all_regions_sum_up_to_zero(owing: list[tuple[list[str], int]]) -> None:
    positions = Counter[str]()
    for pair in combinations(REGIONS, 2):
        charges = [
            Charge(f"{number}", regions[0], amount, "CNY")
            for number, (regions, amount) in enumerate(owing)
            if {*regions[:2]} == {*pair}
        ]
        for region in pair:
            lines = rules.lines(rules.tallied(charges, MAY, pair[0], ()), (), KINDS)
            positions[region] += owed(lines) * (-1 if region == pair[0] else 1)
    assert sum(positions.values()) == 0


@given(months=st.lists(st.dictionaries(st.sampled_from(("payment", "handling")), st.integers(-50, 50)), max_size=5))
def test_what_was_signed_and_the_corrections_after_it_add_up_to_the_charges_of_today(
    months: list[dict[str, int]],
) -> None:
    """Each statement finds other charges of May than the one before."""
    signed: list[SettlementLine] = []
    now: dict[Key, Tally] = {}
    for month in months:
        now = {MAY._replace(charge_kind=kind): Tally(number, number * 7) for kind, number in month.items()}
        signed += rules.lines(now, signed, KINDS)
    assert owed(signed) == sum(each.amount for each in now.values())
    assert rules.lines(now, signed, KINDS) == []


def test_a_record_with_an_open_difference_is_left_out() -> None:
    charges = [Charge("a", FIRST, 100, "CNY"), Charge("b", SECOND, 30, "CNY")]
    assert rules.tallied(charges, MAY, FIRST, {"a"}) == {MAY: Tally(-1, -30)}


def test_terms_are_compared_to_the_cent_and_are_sound_only_if_their_lines_add_up() -> None:
    lines = rules.lines({MAY: Tally(2, 130)}, (), KINDS)
    ours = SettlementTerms(lines=lines, net=rules.net(lines))
    theirs = SettlementTerms(lines=lines, net=rules.net(lines), version=7)
    assert rules.differing_line(ours, theirs) is None
    theirs.lines[0].amount.minor_units += 1
    assert rules.differing_line(ours, theirs) == MAY
    assert rules.differing_line(ours, SettlementTerms()) == MAY
    assert rules.is_sound(ours)
    assert not rules.is_sound(theirs)
    assert not rules.is_sound(SettlementTerms(lines=[*lines, *lines], net=[Money(minor_units=260, currency="CNY")]))
