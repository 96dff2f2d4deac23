"""The keys of a region for what it stores, the same whenever a test opens a database again."""

import random

from gateway.security.region_keys import KeySet, RegionKeys


def region_keys(region: str = "sichuan") -> RegionKeys:
    """The keys of a region. Only the set is always the same: what is drawn from it is not."""
    return RegionKeys(KeySet.new(random.Random(region).randbytes))


def drawn_keys(source: random.Random) -> RegionKeys:
    """Keys of which also everything that is drawn comes from a seeded source: the same run seals to the same bytes."""
    return RegionKeys(KeySet.new(source.randbytes), source.randbytes)
