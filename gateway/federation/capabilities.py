"""What a version can read of a configuration. Nodes tell it; coordinators apply nothing that members cannot read."""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability
from gateway.values.choices import Choice, first_outside, known_of


def own_capabilities() -> Capabilities:
    """What this version can read."""
    known = known_of(Configuration.DESCRIPTOR)
    return Capabilities(capabilities=[Capability(name=name, numbers=sorted(known[name])) for name in sorted(known)])


def first_unreadable(configuration: Configuration, versions: Iterable[Capabilities]) -> Choice | None:
    """The first part of a configuration that one of some versions cannot read.

    A version that tells no capabilities is older than they are, and is not asked.
    """
    for each in versions:
        known = {told.name: frozenset(told.numbers) for told in each.capabilities}
        if known and (found := first_outside(configuration, known)) is not None:
            return found
    return None
