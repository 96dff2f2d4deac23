"""`coordinator audit`."""

import asyncio
import json
import re

import click
from click.core import ParameterSource

from coordinator.cli.asking import json_option
from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import Connection, optionally_connected
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.node.audit_chains import verify_federation
from coordinator.cli.node.config import COORDINATOR
from coordinator.cli.node.registry_beside import registry_beside
from coordinator.registry.etcd.last_good import RegistryUnreachable
from coordinator.settings import CoordinatorSettings
from gateway.auditing.audit import ChainBroken, Head, Seen, Walk, rows, verify
from gateway.cli.exits import NotDone
from gateway.errors import Refused
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.wording.languages import refusal, translated

_HEAD = re.compile(r"(?P<sequence>[0-9]{1,18}):(?P<hash>[0-9a-f]{64})")


class _HeadType(click.ParamType[Head]):
    """A head as `verify` prints it."""

    name = "head"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """See click."""
        found = _HEAD.fullmatch(str(value))
        if found is None:
            self.fail(translated("write it as `coordinator audit verify` prints it: ROW:HASH"), param, ctx)
        return Head(int(found["sequence"]), bytes.fromhex(found["hash"]))


@click.group("audit")
def audit_group() -> None:
    """Check who did what, in all regions and at this coordinator."""


@audit_group.command("verify", epilog=EPILOG)
@optionally_connected
@COORDINATOR.settings_options
@click.option(
    "--seen", type=_HeadType(), metavar="ROW:HASH", help="A head printed earlier; finds a tail that was cut since."
)
@click.option(
    "--registry-seen",
    type=_HeadType(),
    metavar="ROW:HASH",
    help="The same for the chain of the registry that several coordinators share.",
)
@click.option(
    "--region", default="", shell_complete=complete_regions, help="Only the chain of this region; needs --coordinator."
)
@json_option
def verify_chain(
    sources: Sources,
    *,
    connection: Connection | None,
    seen: Head | None,
    registry_seen: Head | None,
    region: str,
    as_json: bool,
) -> None:
    """Verify the audit chains of all regions, or a coordinator's own.

    With coordinators and an administrator's credentials, from options or the environment, every region walks its chain,
    and it is compared with what the coordinators and its witnesses, two other regions, have seen of it. Each named
    coordinator does the same with its own chain and that of the registry, of which every region is a witness.
    Alteration, removal, insertion, reordering, a cut tail and a chain that was written anew are found and told with the
    row, its time and who has seen it otherwise.

    With --settings, --set, --seen or --registry-seen, and where no coordinators are named, the chain of the coordinator
    with these settings is verified, running or not. With [etcd] the changes of the registry are a chain of their own,
    which is verified too. Without the regions' heads a cut tail shows only by a head that you noted before: give it
    with --seen or --registry-seen.

    \b
    Examples:
      coordinator audit verify
      coordinator audit verify --coordinator 127.0.0.1:7443 --credentials admin --federation crossregion.example
      coordinator audit verify --settings coordinator.toml
    """
    if _asks_coordinators():
        if connection is None:
            raise click.UsageError(translated("--coordinator: needs --credentials and --federation"))
        verify_federation(connection, region, as_json=as_json)
        return
    if region:
        raise click.UsageError(translated("--region: needs --coordinator"))
    settings = COORDINATOR.settings(sources)
    if registry_seen is not None and settings.etcd is None:
        raise click.UsageError(translated("--registry-seen: these settings name no [etcd]"))
    head = _own_chain(settings, seen)
    told: dict[str, object] = _as_json(head)
    lines = [_line(head)]
    if settings.etcd is not None:
        head = asyncio.run(_registry_chain(settings, registry_seen))
        told["registry"] = _as_json(head)
        lines.append(_of_registry(_line(head)))
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


def _asks_coordinators() -> bool:
    """Whether the chains of the federation are meant: by an option, else by the environment."""
    context = click.get_current_context()
    if context.get_parameter_source("endpoints") is ParameterSource.COMMANDLINE:
        return True
    of_one = ("settings_file", "flags", "seen", "registry_seen")
    if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in of_one):
        return False
    return bool(context.params["endpoints"])


def _of_registry(told: object) -> str:
    return translated("the registry: {told}", told=told)


def _seen(head: Head | None) -> list[Seen]:
    return [Seen(translated("whoever noted it"), head)] if head is not None else []


def _broken(error: ChainBroken) -> str:
    return translated("the audit chain is broken: {problem}", problem=error)


def _own_chain(settings: CoordinatorSettings, seen: Head | None) -> Head:
    try:
        with settings.database.look() as tx:
            return verify(rows(tx), _seen(seen))
    except StoreUnusable as error:
        raise NotDone([str(error)]) from error
    except ChainBroken as error:
        raise NotDone([_broken(error)]) from error


async def _registry_chain(settings: CoordinatorSettings, seen: Head | None) -> Head:
    try:
        async with registry_beside(settings) as registry:
            walk = Walk(_seen(seen))
            while page := await registry.audit_page(walk.head.sequence):
                walk.take_all(page)
            return walk.finish()
    except (RegistryUnreachable, CredentialsUnusable) as error:
        raise NotDone([_of_registry(error)]) from error
    except Refused as refused:
        raise NotDone([_of_registry(refusal(refused))]) from refused
    except ChainBroken as error:
        raise NotDone([_of_registry(_broken(error))]) from error


def _as_json(head: Head) -> dict[str, object]:
    return {"rows": head.sequence, "hash": head.hash.hex()}


def _line(head: Head) -> str:
    return translated(
        "unbroken; rows: {rows}, head: {head}", rows=head.sequence, head=f"{head.sequence}:{head.hash.hex()}"
    )
