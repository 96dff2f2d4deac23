"""`region-node migrate`."""

from typing import NoReturn

from gateway.cli.exits import REFUSED, leave
from gateway.settings import Sources
from gateway.store.commands import DatabaseProgram, migrate_command
from gateway.store.opening import DatabasePlace
from region_node.cli.node.config import load_settings, settings_options
from region_node.schema import PACKAGES


def _place_of(sources: Sources) -> DatabasePlace:
    return load_settings(sources).database


def _refuse(text: str) -> NoReturn:
    leave(text, REFUSED)


PROGRAM = DatabaseProgram("region-node", settings_options, _place_of, PACKAGES, _refuse)

migrate = migrate_command(PROGRAM)
