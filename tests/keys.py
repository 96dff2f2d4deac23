"""The keys of a region for what it stores, the same whenever a test opens a database again."""

import random

from gateway.security.region_keys import KeySet, RegionKeys


def region_keys(region: str = "sichuan") -> RegionKeys:
    """The keys of a region. Only the set is always the same; new random values differ."""
    return RegionKeys(KeySet.new(random.Random(region).randbytes))


def drawn_keys(source: random.Random) -> RegionKeys:
    """Keys with a seeded source for all random values: the same run seals to the same bytes."""
    return RegionKeys(KeySet.new(source.randbytes), source.randbytes)
