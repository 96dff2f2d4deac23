"""The parts that the services of one coordinator share."""

from dataclasses import dataclass

from coordinator.auditing.service import AuditOversightService
from coordinator.auditing.watch import ChainWatch
from coordinator.membership.members import CurrentMembers
from coordinator.membership.presence import Presence
from coordinator.membership.service import FederationService
from coordinator.problems.service import ProblemPorts
from coordinator.registry.fence import RegistryFence
from coordinator.registry.port import Registry
from coordinator.routing.channels import RegionChannels
from coordinator.routing.deliveries import Deliveries
from coordinator.settings import CoordinatorSettings
from gateway.auditing.denial_log import DenialLog
from gateway.federation.versions import OwnVersion
from gateway.security.signing import TrustedKeys
from gateway.store.port import Store
from gateway.time.agreed_clock import AgreedClock


@dataclass(frozen=True)
class Parts:
    """The parts that the services of one coordinator share."""

    settings: CoordinatorSettings
    clock: AgreedClock
    store: Store
    registry: Registry
    keys: TrustedKeys
    members: CurrentMembers
    channels: RegionChannels
    deliveries: Deliveries
    presence: Presence
    denial_log: DenialLog
    federation: FederationService
    problems: ProblemPorts
    auditing: AuditOversightService
    chain_watch: ChainWatch
    version: OwnVersion
    fence: RegistryFence | None
