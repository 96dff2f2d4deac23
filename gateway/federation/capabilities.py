"""The enum values and oneof arms of a configuration that a version can read, and its features.

Nodes report both. Coordinators apply no configuration that a member cannot read, and tell all members the features.
"""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability, Feature
from gateway.values.choices import Choice, first_outside, known_of

FEATURES = (
    Feature.FEATURE_TREE_SIGNATURES,
    Feature.FEATURE_SESSION_KEYS,
    Feature.FEATURE_RECEIPT_DIFFERENCES,
    Feature.FEATURE_DUTY_STATEMENTS,
    Feature.FEATURE_LISTENED_CHANGES,
)
"""The features of this version."""

_Told = frozenset[tuple[str, frozenset[int]]]


def own_capabilities() -> Capabilities:
    """The capabilities of this version."""
    known = known_of(Configuration.DESCRIPTOR)
    choices = [Capability(name=name, numbers=sorted(known[name])) for name in sorted(known)]
    return Capabilities(capabilities=[Capability(name=Feature.DESCRIPTOR.full_name, numbers=FEATURES), *choices])


def features_of(version: Capabilities) -> frozenset[Feature.ValueType]:
    """The features that a version reports, without those of a version later than this."""
    name = Feature.DESCRIPTOR.full_name
    numbers = next((each.numbers for each in version.capabilities if each.name == name), ())
    return frozenset(each for each in Feature.values() if each and each in numbers)


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
