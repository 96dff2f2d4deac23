"""The sources of a region node's settings, and `region-node config`."""

from gateway.cli.exits import USAGE, leave
from gateway.cli.settings_commands import config_commands, sources_options
from gateway.settings import Page, SettingsError, Sources, load_page
from region_node.node.settings import RegionSettings

_PREFIX = "REGION_NODE_"

settings_options = sources_options(_PREFIX)


def load_settings(sources: Sources) -> RegionSettings:
    """The settings of the node; ends the process with everything that is wrong with them."""
    return _load(sources).settings


def _load(sources: Sources) -> Page[RegionSettings]:
    try:
        return load_page(RegionSettings, sources)
    except SettingsError as error:
        leave("\n".join(error.problems), USAGE)


config = config_commands("region-node", RegionSettings, _PREFIX, _load)
