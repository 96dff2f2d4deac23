"""`coordinator migrate`, `move-to-postgresql` and `backups`."""

from coordinator.cli.node.config import COORDINATOR
from coordinator.cli.node.registry_copies import extract_registry
from gateway.maintenance.backup_commands import backups_group
from gateway.maintenance.commands import migrate_command, move_command

migrate = migrate_command(COORDINATOR)
move_to_postgresql = move_command(COORDINATOR)
backups = backups_group(COORDINATOR)
backups.add_command(extract_registry)
