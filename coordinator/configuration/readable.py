"""The members that can read a configuration, by the capabilities that their nodes report."""

from collections.abc import Mapping

from coordinator.registry.port import Snapshot
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.capabilities import Readability
from gateway.values.choices import Choice


def unreadable_by(snapshot: Snapshot, configuration: Configuration) -> Mapping[str, Choice]:
    """The first part that a member of the configuration cannot read, by the region of each that cannot.

    A suspended member gets no configuration, and is left out.
    """
    readability, found = Readability(configuration), dict[str, Choice]()
    for region in sorted(each.id for each in configuration.regions):
        facts = snapshot.facts(region)
        if facts.suspension is None and (choice := readability.first_unreadable(facts.versions())) is not None:
            found[region] = choice
    return found
