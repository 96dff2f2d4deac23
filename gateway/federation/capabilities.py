"""The enum values and oneof arms of a configuration that a version can read.

Nodes report them; coordinators apply no configuration that a member cannot read.
"""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability
from gateway.values.choices import Choice, first_outside, known_of


def own_capabilities() -> Capabilities:
    """The capabilities of this version."""
    known = known_of(Configuration.DESCRIPTOR)
    return Capabilities(capabilities=[Capability(name=name, numbers=sorted(known[name])) for name in sorted(known)])


def first_unreadable(configuration: Configuration, versions: Iterable[Capabilities]) -> Choice | None:
    """The first part of a configuration that at least one version cannot read.

    Versions without capabilities are older than this field and are not checked.
    """
    for each in versions:
        known = {told.name: frozenset(told.numbers) for told in each.capabilities}
        if known and (found := first_outside(configuration, known)) is not None:
            return found
    return None
