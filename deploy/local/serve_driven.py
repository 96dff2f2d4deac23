"""`python -m deploy.local.serve_driven CLOCK region-node|coordinator SETTINGS`: serves by a clock that is driven.

The commands that operators install know no such clock.
"""

import sys
from pathlib import Path

import coordinator.app
import region_node.app.process
from coordinator.settings import CoordinatorSettings
from deploy.local.driven_clock import DrivenClock
from gateway.process import logs
from gateway.process.running import run_process
from gateway.settings import load
from region_node.node.settings import RegionSettings


def main(clock_file: str, command: str, settings_file: str) -> None:
    """Serves until a stop signal."""
    logs.configure()
    clock, settings = DrivenClock(Path(clock_file)), Path(settings_file)
    if command == "coordinator":
        of_coordinator = load(CoordinatorSettings, settings)
        run_process(lambda: coordinator.app.serve(of_coordinator, clock))
    else:
        of_region = load(RegionSettings, settings)
        run_process(lambda: region_node.app.process.serve(of_region, clock))


if __name__ == "__main__":
    main(*sys.argv[1:])
