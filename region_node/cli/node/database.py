"""`region-node migrate` and `move-to-postgresql`."""

from gateway.maintenance.commands import migrate_command, move_command
from region_node.cli.node.config import REGION_NODE

migrate = migrate_command(REGION_NODE)
move_to_postgresql = move_command(REGION_NODE)
