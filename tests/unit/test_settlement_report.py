"""The settlement of all pairs, of what the regions report."""

from coordinator.oversight.settlement_rules import DISPUTED, PROPOSED, SIGNED, pair_settlements, positions
from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement, SettlementTerms
from gateway.api.types.v1.types_pb2 import Money


def statement(first: str, second: str, amount: int, state: SettlementState.ValueType = SIGNED) -> SettlementStatement:
    net = [Money(minor_units=amount, currency="CNY")]
    return SettlementStatement(terms=SettlementTerms(first_region=first, second_region=second, net=net), state=state)


def test_the_positions_of_all_regions_sum_up_to_zero() -> None:
    both = [statement("guangdong", "sichuan", 390), statement("guangdong", "henan", -50)]
    reports = {"guangdong": both, "sichuan": [both[0], statement("henan", "sichuan", 7)]}
    found = positions(pair_settlements(reports))
    assert found == {("guangdong", "CNY"): -340, ("henan", "CNY"): -57, ("sichuan", "CNY"): 397}
    assert sum(found.values()) == 0


def test_a_pair_is_signed_only_where_both_say_so_and_has_no_amount_where_they_differ() -> None:
    told = {
        "one is behind": (statement("a", "b", 5, PROPOSED), statement("a", "b", 5)),
        "disputed": (statement("a", "b", 5, PROPOSED), statement("a", "b", 5, DISPUTED)),
        "different": (statement("a", "b", 5), statement("a", "b", 6)),
    }
    found = {}
    for case, (first, second) in told.items():
        [pair] = pair_settlements({"a": [first], "b": [second]})
        found[case] = (pair.state, [each.minor_units for each in pair.net], pair.differs)
    assert found == {
        "one is behind": (PROPOSED, [5], False),
        "disputed": (DISPUTED, [5], False),
        "different": (SIGNED, [], True),
    }
