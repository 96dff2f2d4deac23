"""`region-node move-to-postgresql`."""

from gateway.maintenance.commands import move_command
from region_node.cli.node.migrate import PROGRAM

move_to_postgresql = move_command(PROGRAM)
