"""The program `region-node` with its settings, and `region-node config`."""

from gateway.cli.exits import leave
from gateway.maintenance.program import Program
from gateway.maintenance.settings_commands import config_commands
from region_node.node.settings import RegionSettings
from region_node.schema import PACKAGES

REGION_NODE = Program("region-node", "region node", RegionSettings, PACKAGES, leave)

config = config_commands(REGION_NODE)
