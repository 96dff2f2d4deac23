"""The console that a coordinator serves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coordinator.settings import CoordinatorSettings
from gateway.time.clock import SteadyClock

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole


def consoles(settings: CoordinatorSettings, clock: SteadyClock) -> "Sequence[WebConsole]":
    """The console that the settings open: none unless they say so."""
    if settings.web is None or not settings.web.console:
        return ()
    # It needs an HTTP server and templates, large imports that other coordinators do without.
    from coordinator.console.console import console  # noqa: PLC0415

    return (console(clock),)
