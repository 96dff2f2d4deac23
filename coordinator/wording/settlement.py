"""Settlements of pairs of regions in words: amounts, whether both have signed, and whether they are paid."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement, ReportSettlementResponse
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.api.types.v1.types_pb2 import Money
from gateway.values.money import in_major_units
from gateway.wording.languages import enumerated, remarked, translated
from gateway.wording.terms import region_name
from gateway.wording.words import value_word

Pairs = Mapping[tuple[str, str], PairSettlement]
"""Settlements by the ids of both regions, the first in order first."""


def by_pair(pairs: Iterable[PairSettlement]) -> Pairs:
    """Each settlement by its regions."""
    return {(each.first_region, each.second_region): each for each in pairs}


def regions_of(pairs: Pairs) -> Sequence[str]:
    """All regions of the pairs, by id."""
    return sorted({region for pair in pairs for region in pair})


def debt(pairs: Pairs, debtor: str, creditor: str) -> PairSettlement | None:
    """The settlement of two regions, in either order."""
    return pairs.get((debtor, creditor)) or pairs.get((creditor, debtor))


def told_debt(pair: PairSettlement, debtor: str, *, is_paid: bool) -> str:
    """The amounts that a region of a pair owes the other, and how far they are agreed or paid."""
    amounts = translated("differs") if pair.differs else _amounts(pair.net, 1 if pair.first_region == debtor else -1)
    if pair.state == SettlementState.SETTLEMENT_STATE_SIGNED:
        is_zero = not any(each.minor_units for each in pair.net)
        return amounts if is_zero else remarked(amounts, translated("paid") if is_paid else _unpaid(pair))
    return remarked(amounts, value_word(SettlementState.DESCRIPTOR, pair.state))


def why_no_statement(
    answer: ReportSettlementResponse, debtor: str, creditor: str, first_signing_day: str
) -> tuple[str, str]:
    """Why two regions have no statement, and a remark on it; empty for a region and itself. The day is YYYY-MM-DD."""
    if debtor == creditor:
        return "", ""
    if {debtor, creditor} & {each.region for each in answer.unanswered}:
        return translated("not known: a region has not answered"), ""
    return translated("no statement yet"), translated("regions sign from {day} on", day=first_signing_day)


def _unpaid(pair: PairSettlement) -> str:
    """How a payment stands that not both regions have recorded, each in its own books."""
    if pair.first_paid or pair.second_paid:
        region = pair.first_region if pair.first_paid else pair.second_region
        return translated("paid as {region} alone says", region=region_name(region))
    return translated("unpaid")


def differing(pair: PairSettlement) -> str:
    """The amounts of a pair that differs, as each region reports them."""
    return translated(
        "{first} and {second} differ: the first says {ours}, the second {theirs}.",
        first=region_name(pair.first_region),
        second=region_name(pair.second_region),
        ours=_amounts(pair.first_net),
        theirs=_amounts(pair.second_net),
    )


def told_sums(sums: Sequence[Money]) -> str:
    """The sum of all positions, which is zero where all reports are whole."""
    if any(each.minor_units for each in sums):
        return translated("The positions of all regions sum up to {amount}.", amount=_amounts(sums))
    return translated("The positions of all regions sum up to zero.")


def told_amount(money: Money, sign: int = 1) -> str:
    """An amount in major units."""
    return in_major_units(sign * money.minor_units, money.currency)


def _amounts(net: Iterable[Money], sign: int = 1) -> str:
    return enumerated(told_amount(each, sign) for each in net) or translated("nothing")
