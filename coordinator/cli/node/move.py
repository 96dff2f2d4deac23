"""`coordinator move-to-postgresql`."""

from coordinator.cli.node.migrate import PROGRAM
from gateway.maintenance.commands import move_command

move_to_postgresql = move_command(PROGRAM)
