"""The part of the configuration in force that concerns problems, made anew for each revision."""

from zoneinfo import ZoneInfo

from coordinator.problems.topology import Topology
from coordinator.registry.port import Registry
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation


class CurrentNetwork:
    """The network and the policies, without the number plan, which may be large and does not concern problems."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._federation: Federation | None = None
        self._topology: Topology | None = None

    @property
    def federation(self) -> Federation:
        """Regions, policies and network. Raises Refused with CONFIGURATION_MISSING before the first."""
        snapshot = self._registry.snapshot()
        if snapshot.configuration is None:
            raise Refused(Reason.REASON_CONFIGURATION_MISSING)
        if self._federation is None or self._federation.revision != snapshot.revision:
            whole = snapshot.configuration
            part = Configuration(
                federation=whole.federation, regions=whole.regions, policies=whole.policies, network=whole.network
            )
            self._federation = Federation(snapshot.revision, part)
            self._topology = Topology(self._federation.network)
        return self._federation

    @property
    def topology(self) -> Topology:
        """The possible causes by the network in force. Raises Refused with CONFIGURATION_MISSING."""
        federation = self.federation
        assert self._topology is not None, federation.revision
        return self._topology

    def zone_of(self, region: str) -> ZoneInfo:
        """The time zone of a region, or of the first one for a removed region."""
        found = [each.time_zone for each in self.federation.configuration.regions if each.id == region]
        found += [each.time_zone for each in self.federation.configuration.regions[:1]]
        return ZoneInfo(found[0])
