"""The shipped configuration with a number plan as large as the country's, made up."""

import random

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, PrefixRange
from tests.contract.small_federation import CONFIGURATION

SEGMENTS = 500_000
in_two_sizes = pytest.mark.parametrize(
    "count", [pytest.param(5_000, id="thousands"), pytest.param(SEGMENTS, id="half-a-million", marks=pytest.mark.slow)]
)
"""A test that is given so many prefixes: the larger plan shows that time and memory suffice."""
_SOURCE = 4  # of the random numbers: the same plan each time


def segments(count: int = SEGMENTS) -> dict[str, list[str]]:
    """Random prefixes of seven digits, missing from the shipped plan, by their regions."""
    source = random.Random(_SOURCE)
    owned: dict[str, list[str]] = {region.id: [] for region in CONFIGURATION.regions}
    regions = list(owned)
    for segment in sorted(source.sample(range(1_300_000, 1_980_000), count)):
        owned[source.choice(regions)].append(f"+86{segment}")
    return owned


def with_segments(count: int = SEGMENTS) -> Configuration:
    """The shipped configuration, area codes and all, with so many prefixes more."""
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    configuration.number_plan.prefixes.extend(
        PrefixRange(region=region, prefixes=prefixes) for region, prefixes in segments(count).items()
    )
    return configuration
