"""`coordinator audit`."""

import json
import re

import click

from coordinator.cli.config import load_settings, settings_options
from coordinator.cli.exits import EPILOG, NotDone
from coordinator.cli.output import json_option
from gateway.audit import ChainBroken, Head, rows, verify
from gateway.settings import Sources
from gateway.store.port import StoreUnusable

_HEAD = re.compile(r"(?P<sequence>[0-9]{1,18}):(?P<hash>[0-9a-f]{64})")


class _HeadType(click.ParamType[Head]):
    """A head as `verify` prints it."""

    name = "head"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """See click."""
        found = _HEAD.fullmatch(str(value))
        if found is None:
            self.fail("write it as `coordinator audit verify` prints it: ROW:HASH", param, ctx)
        return Head(int(found["sequence"]), bytes.fromhex(found["hash"]))


@click.group("audit")
def audit_group() -> None:
    """Check who did what at this coordinator."""


@audit_group.command("verify", epilog=EPILOG)
@settings_options
@click.option(
    "--seen",
    type=_HeadType(),
    metavar="ROW:HASH",
    help="A head printed earlier; finds a tail that was cut since.",
)
@json_option
def verify_chain(sources: Sources, seen: Head | None, as_json: bool) -> None:
    """Verify the audit chain of the coordinator with these settings, running or not.

    Nobody else keeps the head of this chain: note the one that is printed, and give it with --seen later.

    \b
    Example:
      coordinator audit verify --settings coordinator.toml
    """
    database = load_settings(sources).database
    try:
        with database.look() as tx:
            head = verify(rows(tx), seen)
    except ChainBroken as error:
        raise NotDone([f"the audit chain is broken: {error}"]) from error
    except StoreUnusable as error:
        raise NotDone([str(error)]) from error
    if as_json:
        click.echo(json.dumps({"rows": head.sequence, "hash": head.hash.hex()}))
    else:
        click.echo(f"{head.sequence} rows, unbroken; the head is {head.sequence}:{head.hash.hex()}")
