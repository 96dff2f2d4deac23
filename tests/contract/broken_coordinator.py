"""A coordinator with a defect in what it confirms, as a program: what checks suspensions has to find it."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import IO

from coordinator.cli.main import main
from coordinator.membership.presence import Presence
from deploy.local.process import Launcher, Program, Started
from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from tests import preloaded

UNSEEN = 2**40  # beyond every change of a test


def forwards_without_a_lease() -> None:
    """It goes on by its last copy, however long the registry answers nothing."""

    def routing_seconds(self: Presence) -> float:
        return math.inf

    Presence.routing_seconds = routing_seconds  # type: ignore[method-assign]


def confirms_unseen() -> None:
    """It confirms changes that it does not know yet."""
    enter = Presence.enter

    async def confirming(self: Presence, name: str, endpoint: str, version: ProcessVersion | None = None) -> None:
        await enter(self, name, endpoint, version)
        await self._registry.confirm(UNSEEN)

    Presence.enter = confirming  # type: ignore[method-assign]


DEFECTS: Mapping[str, Callable[[], None]] = {
    each.__name__: each for each in (forwards_without_a_lease, confirms_unseen)
}


def launcher_with(defect: str) -> Launcher:
    """Starts coordinators with a defect."""

    def launch(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        broken = Program(program.name, __name__, (defect, *program.arguments), program.log, program.port_file)
        return preloaded.launch(broken, environment, log)

    return launch


if __name__ == "__main__":
    DEFECTS[sys.argv.pop(1)]()
    main()
