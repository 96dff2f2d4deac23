"""Rules for time limits and policies: a region may only be stricter than the national value. Pure."""

from collections.abc import Collection, Iterator
from datetime import timedelta

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    Configuration,
    Figure,
    Policy,
    ProofWay,
    ProofWays,
    RegionalPolicy,
    TimeLimit,
)
from gateway.federation.checks import (
    LONGEST,
    duration_problems,
    enum_name,
    enum_problems,
    label_problems,
    text_problems,
    twice,
)
from gateway.federation.policies import UNREVIEWED, missing_limits

REMEDIES = (
    "take each missing policy over from deploy/federation/policies.yaml, and apply the configuration",
    "take each missing policy over from deploy/federation/policies.yaml; name unreviewed-… in the businesses that"
    " deploy/federation/catalogue.yaml names them in; and apply the configuration",
)
"""The remedies of missing limits, in English: without and with a limit of money, which businesses name."""
_TIMES = ("duration", "working_time")  # the kinds of limit that are a Duration
_LONGEST_WORKING_TIME = timedelta(days=31)  # 744 hours: at an hour a day, two years


def limit_problems(path: str, limit: TimeLimit) -> Iterator[str]:
    """Problems in a time limit."""
    kind = limit.WhichOneof("limit")
    if kind is None:
        yield f"{path}: says neither a duration nor days nor working days nor working time"
    elif kind in _TIMES:
        yield from duration_problems(f"{path}.{kind}", getattr(limit, kind))
        if limit.working_time.seconds > _LONGEST_WORKING_TIME.total_seconds():
            yield f"{path}.working_time: is longer than {_LONGEST_WORKING_TIME.days * 24} hours"
    elif not 1 <= getattr(limit, kind) <= LONGEST.days:
        yield f"{path}.{kind}: must be 1 to {LONGEST.days}"
    if not limit.source.strip():
        yield f"{path}.source: is missing"


def looser_problems(path: str, national: TimeLimit, regional: TimeLimit) -> Iterator[str]:
    """Problems of a regional limit that is longer than the national limit in the same unit.

    Limits in different units can only be compared when a promise starts.
    """
    kind = national.WhichOneof("limit")
    if kind is None or regional.WhichOneof("limit") != kind:
        return
    if _length(regional, kind) > _length(national, kind):
        yield f"{path}.{kind}: is longer than the national one"


def _length(limit: TimeLimit, kind: str) -> int:
    told = getattr(limit, kind)
    length: int = told.seconds if kind in _TIMES else told
    return length


def policies_problems(policies: Collection[Policy], regions: Collection[str]) -> Iterator[str]:
    """Problems in the policies, each with its path."""
    yield from twice("policies", (policy.name for policy in policies))
    for policy in policies:
        path = f"policies[{policy.name}]"
        yield from label_problems(f"{path}.name", policy.name)
        yield from text_problems(f"{path}.title", policy.title)
        yield from _national_problems(path, policy)
        yield from twice(f"{path}.regional", (each.region for each in policy.regional))
        for each in policy.regional:
            inner = f"{path}.regional[{each.region}]"
            if each.region not in regions:
                yield f"{inner}.region: unknown region {each.region!r}"
            yield from _regional_problems(inner, policy, each)


def limit_warnings(configuration: Configuration) -> list[str]:
    """Limits that are off for want of their policies, or of a business that names them; each with its remedy."""
    return [
        f"policies: {name} bounds nothing here: its limit is off; {limits_remedy([name])}"
        for name in missing_limits(configuration)
    ]


def limits_remedy(missing: Collection[str]) -> str:
    """The act that brings limiting policies into force which a configuration lacks, in English; one of REMEDIES."""
    return REMEDIES[not set(UNREVIEWED).isdisjoint(missing)]


def _national_problems(path: str, policy: Policy) -> Iterator[str]:
    kind = policy.WhichOneof("national")
    if kind is None:
        yield f"{path}: has no national value: a limit, a figure or ways"
    elif kind == "limit":
        yield from limit_problems(f"{path}.limit", policy.limit)
        if policy.stricter:
            yield f"{path}.stricter: the earlier end of a limit is the stricter; leave it out"
    elif kind == "ways":
        yield from _ways_problems(f"{path}.ways.ways", policy.ways)
        if policy.stricter:
            yield f"{path}.stricter: regions have no ways of their own; leave it out"
    else:
        yield from _figure_problems(f"{path}.figure", policy.figure)
        yield from enum_problems(f"{path}.stricter", contract.Stricter.DESCRIPTOR, [policy.stricter])


def _figure_problems(path: str, figure: Figure) -> Iterator[str]:
    yield from enum_problems(f"{path}.unit", contract.Unit.DESCRIPTOR, [figure.unit])
    if figure.value < 0:
        yield f"{path}.value: must not be negative"
    elif figure.unit == contract.UNIT_YES_NO and figure.value > 1:
        yield f"{path}.value: must be 1 for yes or 0 for no"
    if not figure.source.strip():
        yield f"{path}.source: is missing"


def _ways_problems(path: str, told: ProofWays) -> Iterator[str]:
    ways = [each.way for each in told.ways]
    yield from enum_problems(path, ProofWay.DESCRIPTOR, ways)
    if ProofWay.PROOF_WAY_COOLING_OFF not in ways:
        yield f"{path}: lacks PROOF_WAY_COOLING_OFF; a customer whose telephone is lost would be locked out"
    for each in told.ways:
        if not each.source.strip():
            yield f"{path}[{enum_name(ProofWay.DESCRIPTOR, each.way)}].source: is missing"


def business_ways_problems(path: str, business: Business, policies: Collection[str]) -> Iterator[str]:
    """Problems in the ways of proof that a business takes. `policies` are the names of those that have some."""
    named = [name for name in dict.fromkeys(business.policies) if name in policies]
    if len(named) > 1:
        yield f"{path}.policies: {', '.join(named)} have ways of proof; a business takes one"


def _regional_problems(path: str, policy: Policy, regional: RegionalPolicy) -> Iterator[str]:
    kind = policy.WhichOneof("national")
    if kind == "ways":
        yield f"{path}: a region has no ways of its own"
    elif kind is not None and regional.WhichOneof("value") != kind:
        yield f"{path}: must be a {kind}, like the national value"
    elif kind == "limit":
        yield from limit_problems(f"{path}.limit", regional.limit)
        yield from looser_problems(f"{path}.limit", policy.limit, regional.limit)
    elif kind == "figure":
        yield from _figure_problems(f"{path}.figure", regional.figure)
        if regional.figure.unit != policy.figure.unit:
            unit = enum_name(contract.Unit.DESCRIPTOR, policy.figure.unit)
            yield f"{path}.figure.unit: must be {unit}, like the national value"
        elif _is_looser(policy, regional.figure.value):
            yield f"{path}.figure.value: is looser than the national one"


def _is_looser(policy: Policy, value: int) -> bool:
    if policy.stricter == contract.STRICTER_HIGHER:
        return value < policy.figure.value
    return policy.stricter == contract.STRICTER_LOWER and value > policy.figure.value
