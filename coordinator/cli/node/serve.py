"""`coordinator serve`."""

from coordinator.cli.node.config import COORDINATOR
from coordinator.registry.etcd.last_good import RegistryUnreachable
from coordinator.settings import CoordinatorSettings
from gateway.maintenance.serving import Serve, serve_command


def _imported() -> Serve[CoordinatorSettings]:
    from coordinator.app import serve  # noqa: PLC0415 - a whole coordinator

    return serve


serve = serve_command(COORDINATOR, _imported, RegistryUnreachable)
