"""The settlement of pairs of regions, of what both regions report about it. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement, SettlementPosition
from gateway.api.region.v1.settlement_pb2 import SettlementPayment, SettlementState, SettlementStatement
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.months import month_before

SIGNED = SettlementState.SETTLEMENT_STATE_SIGNED
DISPUTED = SettlementState.SETTLEMENT_STATE_DISPUTED
CONTESTED = SettlementState.SETTLEMENT_STATE_CONTESTED
PROPOSED = SettlementState.SETTLEMENT_STATE_PROPOSED


def recorded(payments: Iterable[SettlementPayment]) -> set[str]:
    """The other regions with which a region has recorded a payment; one that is only proposed is none."""
    return {each.region for each in payments if each.HasField("record_time")}


def pair_settlements(
    reports: Mapping[str, Sequence[SettlementStatement]], paid: Mapping[str, Collection[str]]
) -> list[PairSettlement]:
    """Each pair once, in order. `reports` of one month, and the regions to which each has `paid` it, are by region.

    One region of a pair may not have answered, or may have left: then the report of the other one counts.
    """
    found: dict[tuple[str, str], dict[str, SettlementStatement]] = {}
    for region, statements in reports.items():
        for each in statements:
            regions = each.terms.first_region, each.terms.second_region
            if region in regions:
                found.setdefault(regions, {})[region] = each
    pairs = [
        _pair(first, second, told, is_confirmed=not {first, second} - told.keys() & reports.keys())
        for (first, second), told in sorted(found.items())
    ]
    for pair in pairs:
        pair.first_paid = pair.second_region in paid.get(pair.first_region, ())
        pair.second_paid = pair.first_region in paid.get(pair.second_region, ())
    return pairs


def is_paid(pair: PairSettlement) -> bool:
    """Whether both regions have recorded the payment of amounts on which they agree."""
    return pair.state == SIGNED and not pair.differs and pair.first_paid and pair.second_paid


def first_signing_day(month: str) -> str:
    """The day, YYYY-MM-DD, from which regions sign the statement of a month: the first one after its end."""
    return f"{month_before(month, -1)}-01"


def positions(pairs: Sequence[PairSettlement]) -> list[SettlementPosition]:
    """The net claims of each region against all others, by region and currency, apart by how far they are agreed."""
    found: dict[tuple[str, str], SettlementPosition] = {}
    for pair in pairs:
        for each in pair.first_net if pair.differs and pair.first_net else pair.net or pair.second_net:
            for region, amount in ((pair.first_region, -each.minor_units), (pair.second_region, each.minor_units)):
                position = found.setdefault((region, each.currency), _nothing(region, each.currency))
                _part(position, pair).minor_units += amount
                position.paid.minor_units += amount if is_paid(pair) else 0
    return [position for _, position in sorted(found.items())]


def sums(found: Iterable[SettlementPosition]) -> list[Money]:
    """The sums of all positions, by currency in order: zero, unless a claim has no debtor."""
    total: dict[str, int] = {}
    for each in found:
        for money in (each.signed, each.unsigned, each.disputed):
            total[money.currency] = total.get(money.currency, 0) + money.minor_units
    return [Money(minor_units=amount, currency=currency) for currency, amount in sorted(total.items())]


def _nothing(region: str, currency: str) -> SettlementPosition:
    nothing = Money(currency=currency)
    return SettlementPosition(region=region, signed=nothing, unsigned=nothing, disputed=nothing, paid=nothing)


def _part(position: SettlementPosition, pair: PairSettlement) -> Money:
    if pair.differs or pair.state in (DISPUTED, CONTESTED):
        return position.disputed
    return position.signed if pair.state == SIGNED else position.unsigned


def _pair(first: str, second: str, told: Mapping[str, SettlementStatement], *, is_confirmed: bool) -> PairSettlement:
    states = {each.state for each in told.values()}
    state = next((each for each in (CONTESTED, DISPUTED, PROPOSED) if each in states), SIGNED)
    if state == SIGNED and not is_confirmed:
        state = PROPOSED
    nets = [list(each.terms.net) for each in told.values()]
    pair = PairSettlement(first_region=first, second_region=second, state=state)
    if all(each == nets[0] for each in nets):
        pair.net.extend(nets[0])
        return pair
    pair.differs = True
    pair.first_net.extend(told[first].terms.net)
    pair.second_net.extend(told[second].terms.net)
    return pair
