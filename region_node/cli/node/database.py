"""`region-node migrate`, `move-to-postgresql` and `backups`."""

from gateway.maintenance.backup_commands import backups_group
from gateway.maintenance.commands import migrate_command, move_command
from region_node.cli.node.config import REGION_NODE

migrate = migrate_command(REGION_NODE)
move_to_postgresql = move_command(REGION_NODE)
backups = backups_group(REGION_NODE)
