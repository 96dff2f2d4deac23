"""Commands that ask a coordinator."""

import click

from coordinator.cli.connection import Connection, connected
from gateway.cli import asking
from gateway.cli.asking import Commands

Asking = asking.Asking[Connection]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
asks = Commands[Connection](connected, connects_first=False, json=json_option).asking
