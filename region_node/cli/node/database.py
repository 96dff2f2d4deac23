"""`region-node migrate` and `move-to-postgresql`."""

from typing import NoReturn

from gateway.cli.exits import REFUSED, leave
from gateway.maintenance.commands import DatabaseProgram, migrate_command, move_command
from gateway.settings import Sources
from gateway.store.opening import DatabasePlace
from region_node.cli.node.config import load_settings, settings_options
from region_node.schema import PACKAGES


def _place_of(sources: Sources) -> DatabasePlace:
    return load_settings(sources).database


def _refuse(text: str) -> NoReturn:
    leave(text, REFUSED)


_PROGRAM = DatabaseProgram("region-node", settings_options, _place_of, PACKAGES, _refuse)

migrate = migrate_command(_PROGRAM)
move_to_postgresql = move_command(_PROGRAM)
