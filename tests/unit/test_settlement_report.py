"""The settlement of all pairs, of what the regions report."""

from collections.abc import Sequence

from coordinator.oversight.settlement_rules import (
    CONTESTED,
    DISPUTED,
    PROPOSED,
    SIGNED,
    pair_settlements,
    positions,
    recorded,
    sums,
)
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import SettlementPosition
from gateway.api.region.v1.settlement_pb2 import (
    SettlementPayment,
    SettlementState,
    SettlementStatement,
    SettlementTerms,
)
from gateway.api.types.v1.types_pb2 import Money


def statement(first: str, second: str, amount: int, state: SettlementState.ValueType = SIGNED) -> SettlementStatement:
    net = [Money(minor_units=amount, currency="CNY")]
    return SettlementStatement(terms=SettlementTerms(first_region=first, second_region=second, net=net), state=state)


def amounts(found: Sequence[SettlementPosition]) -> dict[str, tuple[int, int, int]]:
    """Signed, unsigned and disputed amounts by region."""
    return {
        each.region: (each.signed.minor_units, each.unsigned.minor_units, each.disputed.minor_units) for each in found
    }


def test_positions_keep_signed_unsigned_and_disputed_amounts_apart_and_sum_up_to_zero() -> None:
    signed, proposed = statement("guangdong", "sichuan", 390), statement("guangdong", "henan", -50, PROPOSED)
    disputed = statement("henan", "sichuan", 7, DISPUTED)
    here, there = statement("guangdong", "hubei", 1000), statement("guangdong", "hubei", 999)
    reports = {
        "guangdong": [signed, proposed, here],
        "henan": [proposed, disputed],
        "hubei": [there],
        "sichuan": [signed, disputed],
    }
    found = positions(pair_settlements(reports, {}))
    assert amounts(found) == {
        "guangdong": (-390, 50, -1000),
        "henan": (0, -50, -7),
        "hubei": (0, 0, 1000),
        "sichuan": (390, 0, 7),
    }
    assert [each.minor_units for each in sums(found)] == [0]


def test_a_pair_is_signed_only_where_both_say_so_and_has_two_amounts_where_they_differ() -> None:
    told = {
        "one is behind": (statement("a", "b", 5, PROPOSED), statement("a", "b", 5)),
        "disputed": (statement("a", "b", 5, PROPOSED), statement("a", "b", 5, DISPUTED)),
        "contested": (statement("a", "b", 5, CONTESTED), statement("a", "b", 5)),
        "different": (statement("a", "b", 5), statement("a", "b", 6)),
    }
    found = {}
    for case, (first, second) in told.items():
        [pair] = pair_settlements({"a": [first], "b": [second]}, {})
        nets = [[each.minor_units for each in net] for net in (pair.net, pair.first_net, pair.second_net)]
        found[case] = (pair.state, nets, pair.differs)
    assert found == {
        "one is behind": (PROPOSED, [[5], [], []], False),
        "disputed": (DISPUTED, [[5], [], []], False),
        "contested": (CONTESTED, [[5], [], []], False),
        "different": (SIGNED, [[], [5], [6]], True),
    }
    [lost] = pair_settlements({"a": [], "b": [statement("a", "b", 5)]}, {})
    [left] = pair_settlements({"b": [statement("a", "b", 5)]}, {})
    assert (lost.state, left.state) == (PROPOSED, SIGNED), "one that answers has to say so; one that left cannot"


def test_a_signed_amount_is_paid_only_once_both_regions_have_recorded_it() -> None:
    told = {
        "nobody": {},
        "one": {"a": {"b"}},
        "the other": {"b": {"a"}},
        "both": {"a": {"b"}, "b": {"a"}},
        "with others": {"a": {"c"}, "b": {"c"}, "c": {"a", "b"}},
    }
    both, one_sided = statement("a", "b", 5), statement("a", "b", 6)
    found = {}
    for case, paid in told.items():
        pairs = pair_settlements({"a": [both], "b": [both]}, paid)
        found[case] = [each.paid.minor_units for each in positions(pairs)], pairs[0].first_paid, pairs[0].second_paid
    assert found == {
        "nobody": ([0, 0], False, False),
        "one": ([0, 0], True, False),
        "the other": ([0, 0], False, True),
        "both": ([-5, 5], True, True),
        "with others": ([0, 0], False, False),
    }
    differing = pair_settlements({"a": [both], "b": [one_sided]}, told["both"])
    unsigned = pair_settlements({"a": [statement("a", "b", 5, PROPOSED)], "b": [both]}, told["both"])
    assert {each.paid.minor_units for pairs in (differing, unsigned) for each in positions(pairs)} == {0}


def test_a_payment_that_is_only_proposed_is_not_recorded() -> None:
    done = SettlementPayment(region="b")
    done.record_time.GetCurrentTime()
    assert recorded([done, SettlementPayment(region="c")]) == {"b"}


def test_no_region_reports_on_others() -> None:
    assert pair_settlements({"henan": [statement("a", "b", 5)]}, {}) == []
