"""The program `coordinator` with its settings, and `coordinator config`."""

from coordinator.registry.etcd.snapshots import EtcdSnapshots
from coordinator.schema import PACKAGES
from coordinator.settings import CoordinatorSettings
from gateway.cli.exits import fail
from gateway.maintenance.program import Program
from gateway.maintenance.settings_commands import config_commands


def _snapshots(settings: CoordinatorSettings) -> EtcdSnapshots | None:
    return None if settings.etcd is None else EtcdSnapshots(settings.etcd)


COORDINATOR = Program("coordinator", "coordinator", CoordinatorSettings, PACKAGES, fail, _snapshots)

config = config_commands(COORDINATOR)
