"""Rules for the plans, offerings and service points of the regions. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Offering, Plan, ServicePoint
from gateway.api.types.v1.types_pb2 import Channel
from gateway.federation.calendar_rules import hours_problems
from gateway.federation.checks import (
    enum_problems,
    label_problems,
    price_problems,
    region_problems,
    text_problems,
    twice,
)

_LONGEST_CONTRACT = 60  # months


def plans_problems(plans: Iterable[Plan], currencies: Mapping[str, str]) -> Iterator[str]:
    """Problems in the plans; `currencies` are those of the regions' accounts, by region."""
    plans = list(plans)
    yield from twice("plans", (plan.id for plan in plans))
    for plan in plans:
        path = f"plans[{plan.id}]"
        yield from label_problems(f"{path}.id", plan.id)
        yield from region_problems(f"{path}.region", plan.region, currencies)
        yield from text_problems(f"{path}.name", plan.name)
        yield from price_problems(f"{path}.monthly_rent", plan.monthly_rent, plan.region, currencies)
        if plan.line_kind:
            yield from enum_problems(f"{path}.line_kind", contract.LineKind.DESCRIPTOR, [plan.line_kind])
        if plan.HasField("allowance") and not plan.HasField("rates"):
            yield f"{path}.rates: what is used beyond the allowance has no price"


def offerings_problems(offerings: Iterable[Offering], currencies: Mapping[str, str]) -> Iterator[str]:
    """Problems in the offerings; `currencies` are those of the regions' accounts, by region."""
    offerings = list(offerings)
    yield from twice("offerings", (offering.id for offering in offerings))
    for offering in offerings:
        path = f"offerings[{offering.id}]"
        yield from label_problems(f"{path}.id", offering.id)
        yield from region_problems(f"{path}.region", offering.region, currencies)
        yield from enum_problems(f"{path}.kind", contract.OfferingKind.DESCRIPTOR, [offering.kind])
        yield from text_problems(f"{path}.name", offering.name)
        yield from _offering_price_problems(path, offering, currencies)
        yield from _term_problems(path, offering)


def _offering_price_problems(path: str, offering: Offering, currencies: Mapping[str, str]) -> Iterator[str]:
    # Roaming may be free to have, and a contract may give nothing off: their money is elsewhere.
    if offering.kind in (contract.OFFERING_KIND_ROAMING, contract.OFFERING_KIND_CONTRACT) and not (
        offering.price.minor_units
    ):
        if offering.price.currency not in ("", currencies.get(offering.region, "")):
            yield f"{path}.price.currency: the region's accounts are in {currencies.get(offering.region, '')}"
        return
    yield from price_problems(f"{path}.price", offering.price, offering.region, currencies)


def _term_problems(path: str, offering: Offering) -> Iterator[str]:
    is_contract = offering.kind == contract.OFFERING_KIND_CONTRACT
    if is_contract and not 1 <= offering.months <= _LONGEST_CONTRACT:
        yield f"{path}.months: must be 1 to {_LONGEST_CONTRACT} for a contract"
    elif not is_contract and offering.months:
        yield f"{path}.months: only a contract has them"
    is_pack = offering.kind == contract.OFFERING_KIND_PACK
    if is_pack and offering.allowance == contract.Allowance():
        yield f"{path}.allowance: a pack must hold something"
    elif not is_pack and offering.HasField("allowance"):
        yield f"{path}.allowance: only a pack has one"


def service_points_problems(points: Iterable[ServicePoint], currencies: Mapping[str, str]) -> Iterator[str]:
    """Problems in the service points; the keys of `currencies` are the regions."""
    points = list(points)
    yield from twice("service_points", (point.id for point in points))
    for point in points:
        path = f"service_points[{point.id}]"
        yield from label_problems(f"{path}.id", point.id)
        yield from region_problems(f"{path}.region", point.region, currencies)
        yield from text_problems(f"{path}.name", point.name)
        yield from text_problems(f"{path}.address", point.address)
        if not point.channels:
            yield f"{path}.channels: there is none"
        yield from enum_problems(f"{path}.channels", Channel.DESCRIPTOR, point.channels)
        for index, hours in enumerate(point.opening_hours):
            yield from hours_problems(f"{path}.opening_hours[{index}]", hours)
