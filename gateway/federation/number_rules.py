"""Rules for the number plan and the pools of new numbers. Pure."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberPool, Region
from gateway.federation.checks import enum_problems, is_full_number, twice
from gateway.federation.numberplan import NumberPlan

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}", re.ASCII)


def number_plan_problems(plan: contract.NumberPlan, regions: Collection[str]) -> Iterator[str]:
    """Problems in the number plan, each with its path."""
    claimed: dict[str, str] = {}
    for owned in plan.prefixes:
        if owned.region not in regions:
            yield f"number_plan.prefixes: unknown region {owned.region!r}"
        for prefix in owned.prefixes:
            path = f"number_plan.prefixes[{prefix}]"
            if not _PREFIX.fullmatch(prefix):
                yield f"{path}: not an E.164 prefix with the plus sign"
            if prefix in claimed:
                yield f"{path}: claimed by {claimed[prefix]} and by {owned.region}"
            claimed[prefix] = owned.region
    yield from twice("number_plan.exceptions", (exception.number for exception in plan.exceptions))
    for exception in plan.exceptions:
        path = f"number_plan.exceptions[{exception.number}]"
        if exception.region not in regions:
            yield f"{path}.region: unknown region {exception.region!r}"
        if not is_full_number(exception.number):
            yield f"{path}.number: not a full E.164 number with the plus sign"


def pools_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the pools of new numbers, each with its path."""
    pools = [(region, pool) for region in configuration.regions for pool in region.number_pools]
    if not pools:
        return
    owners = _Owners(configuration.number_plan)
    sound: list[tuple[int, str, str, str]] = []
    for region, pool in pools:
        path = pool_path(region, pool)
        found = list(_pool_problems(path, pool))
        if not found:
            found = [f"{path}: {number} is not the region's own" for number in owners.foreign(region.id, pool)]
            sound.append((len(pool.first), pool.first, pool.last, path))
        yield from found
    sound.sort()
    for (length, _, last, before), (other_length, first, _, path) in pairwise(sound):
        if length == other_length and first <= last:
            yield f"{path}: overlaps {before}"


def pool_path(region: Region, pool: NumberPool) -> str:
    """The path of a pool: its region and first number."""
    return f"regions[{region.id}].number_pools[{pool.first}]"


def _pool_problems(path: str, pool: NumberPool) -> Iterator[str]:
    yield from enum_problems(f"{path}.kind", contract.LineKind.DESCRIPTOR, [pool.kind])
    for name, number in (("first", pool.first), ("last", pool.last)):
        if not is_full_number(number):
            yield f"{path}.{name}: not a full E.164 number with the plus sign"
    if len(pool.first) != len(pool.last):
        yield f"{path}.last: must be as long as the first"
    elif pool.first > pool.last:
        yield f"{path}.last: comes before the first"


class _Owners:
    """Answers whether all numbers of a pool are of one region, without looking at every number."""

    def __init__(self, plan: contract.NumberPlan) -> None:
        self._plan = NumberPlan(plan)
        prefixes = (prefix for owned in plan.prefixes for prefix in owned.prefixes)
        self._prefixes = sorted(prefix for prefix in prefixes if _PREFIX.fullmatch(prefix))
        self._exceptions = sorted(exception.number for exception in plan.exceptions)

    def foreign(self, region: str, pool: NumberPool) -> list[str]:
        """The first number of the pool that another region, or none, owns; empty where all are the region's own."""
        first, last = pool.first, pool.last
        # The owner changes at the bounds of prefixes and at exceptions, and nowhere else.
        bounds = {first, *_between(self._exceptions, first, last)}
        for prefix in _between(self._prefixes, first, last):
            bounds.add(prefix.ljust(len(first), "0"))
            bounds.add(f"+{int(prefix.ljust(len(first), '9')) + 1}")
        for length in range(1, len(first)):
            bounds.add(f"+{int(first[:length].ljust(len(first), '9')) + 1}")
        inside = sorted(each for each in bounds if len(each) == len(first) and first <= each <= last)
        return [each for each in inside if self._plan.home_of(each) != region][:1]


def _between(ordered: Sequence[str], first: str, last: str) -> Sequence[str]:
    return ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]
