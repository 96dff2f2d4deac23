"""The console that a node serves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.time.clock import SteadyClock
from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole


def consoles(settings: RegionSettings, clock: SteadyClock) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so."""
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other nodes do without.
    from region_node.console.console import console  # noqa: PLC0415

    return (console(settings.region, clock),)
