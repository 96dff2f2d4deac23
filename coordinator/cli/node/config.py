"""The program `coordinator` with its settings, and `coordinator config`."""

from coordinator.schema import PACKAGES
from coordinator.settings import CoordinatorSettings
from gateway.cli.exits import fail
from gateway.maintenance.program import Program
from gateway.maintenance.settings_commands import config_commands

COORDINATOR = Program("coordinator", "coordinator", CoordinatorSettings, PACKAGES, fail)

config = config_commands(COORDINATOR)
