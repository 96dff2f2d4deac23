"""`coordinator migrate` and `move-to-postgresql`."""

from coordinator.cli.node.config import COORDINATOR
from gateway.maintenance.commands import migrate_command, move_command

migrate = migrate_command(COORDINATOR)
move_to_postgresql = move_command(COORDINATOR)
