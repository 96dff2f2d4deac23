"""The sources of a coordinator's settings, and `coordinator config`."""

from coordinator.cli.connection import EPILOG
from coordinator.settings import CoordinatorSettings
from gateway.cli.exits import SettingsUnusable
from gateway.cli.settings_commands import config_commands, sources_options
from gateway.settings import Page, SettingsError, Sources, load_page

_PREFIX = "COORDINATOR_"

settings_options = sources_options(_PREFIX)


def load_settings(sources: Sources) -> CoordinatorSettings:
    """The settings of the coordinator. Raises SettingsUnusable with everything that is wrong with them."""
    return _load(sources).settings


def _load(sources: Sources) -> Page[CoordinatorSettings]:
    try:
        return load_page(CoordinatorSettings, sources)
    except SettingsError as error:
        raise SettingsUnusable(error.problems) from error


config = config_commands("coordinator", CoordinatorSettings, _PREFIX, _load, EPILOG)
