"""The clock by which a command works."""

import click

from gateway.time.clock import SteadyClock, SystemClock


def command_clock() -> SteadyClock:
    """The clock of the command that runs: the object that click was given, or else the clock of the machine."""
    given: object = click.get_current_context().obj
    return given if isinstance(given, SteadyClock) else SystemClock()
