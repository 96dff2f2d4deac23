"""`coordinator migrate` and `move-to-postgresql`."""

from typing import NoReturn

from coordinator.cli.node.config import load_settings, settings_options
from coordinator.schema import PACKAGES
from gateway.cli.exits import NotDone
from gateway.maintenance.commands import DatabaseProgram, migrate_command, move_command
from gateway.settings import Sources
from gateway.store.opening import DatabasePlace


def _place_of(sources: Sources) -> DatabasePlace:
    return load_settings(sources).database


def _refuse(text: str) -> NoReturn:
    raise NotDone([text])


_PROGRAM = DatabaseProgram("coordinator", settings_options, _place_of, PACKAGES, _refuse)

migrate = migrate_command(_PROGRAM)
move_to_postgresql = move_command(_PROGRAM)
