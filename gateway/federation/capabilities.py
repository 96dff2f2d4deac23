"""The enum values and oneof arms of a configuration that a version can read.

Nodes report them; coordinators apply no configuration that a member cannot read.
"""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability
from gateway.values.choices import Choice, first_outside, known_of

_Told = frozenset[tuple[str, frozenset[int]]]


def own_capabilities() -> Capabilities:
    """The capabilities of this version."""
    known = known_of(Configuration.DESCRIPTOR)
    return Capabilities(capabilities=[Capability(name=name, numbers=sorted(known[name])) for name in sorted(known)])


class Readability:
    """Decides which versions can read a configuration, in one walk for each distinct set of capabilities."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._found: dict[_Told, Choice | None] = {frozenset(): None}

    def first_unreadable(self, versions: Iterable[Capabilities]) -> Choice | None:
        """The first part that one of some versions cannot read.

        A version without capabilities is older than they are, and is left out.
        """
        return next((found for each in versions if (found := self._first_outside(each)) is not None), None)

    def _first_outside(self, version: Capabilities) -> Choice | None:
        told: _Told = frozenset((each.name, frozenset(each.numbers)) for each in version.capabilities)
        if told not in self._found:
            self._found[told] = first_outside(self._configuration, dict(told))
        return self._found[told]
