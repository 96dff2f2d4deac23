"""`coordinator audit`."""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import click

from coordinator.cli.config import load_settings, settings_options
from coordinator.cli.exits import EPILOG, NotDone
from coordinator.cli.output import json_option
from coordinator.registry.etcd.registry import EtcdRegistry, RegistryUnreachable
from coordinator.settings import CoordinatorSettings
from gateway.audit import AuditRow, ChainBroken, Head, rows, verify
from gateway.clock import SystemClock
from gateway.errors import Refused
from gateway.languages import refusal, translated
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.tls import CredentialsUnusable

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
    """Check who did what at this coordinator."""


@audit_group.command("verify", epilog=EPILOG)
@settings_options
@click.option(
    "--seen",
    type=_HeadType(),
    metavar="ROW:HASH",
    help="A head printed earlier; finds a tail that was cut since.",
)
@click.option(
    "--registry-seen",
    type=_HeadType(),
    metavar="ROW:HASH",
    help="The same for the chain of the registry that several coordinators share.",
)
@json_option
def verify_chain(sources: Sources, seen: Head | None, registry_seen: Head | None, as_json: bool) -> None:
    """Verify the audit chain of the coordinator with these settings, running or not.

    With [etcd] the changes of the registry are a chain of their own, which is verified too. Nobody else keeps the
    heads of these chains: note those that are printed, and give them with --seen and --registry-seen later.

    \b
    Example:
      coordinator audit verify --settings coordinator.toml
    """
    settings = load_settings(sources)
    if registry_seen is not None and settings.etcd is None:
        raise click.UsageError(translated("--registry-seen: these settings name no [etcd]"))
    head = _verified(str, lambda: _kept_rows(settings), seen)
    told: dict[str, object] = _as_json(head)
    lines = [_line(head)]
    if settings.etcd is not None:
        head = _verified(_of_registry, lambda: asyncio.run(_registry_rows(settings)), registry_seen)
        told["registry"] = _as_json(head)
        lines.append(_of_registry(_line(head)))
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


def _of_registry(told: object) -> str:
    return translated("the registry: {told}", told=told)


def _verified(named: Callable[[str], str], read: Callable[[], Sequence[AuditRow]], seen: Head | None) -> Head:
    try:
        return verify(read(), seen)
    except ChainBroken as error:
        raise NotDone([named(translated("the audit chain is broken: {problem}", problem=error))]) from error


def _kept_rows(settings: CoordinatorSettings) -> Sequence[AuditRow]:
    try:
        with settings.database.look() as tx:
            return rows(tx)
    except StoreUnusable as error:
        raise NotDone([str(error)]) from error


async def _registry_rows(settings: CoordinatorSettings) -> Sequence[AuditRow]:
    assert settings.etcd is not None
    lease = timedelta(seconds=settings.lease)
    # The last good copy in the coordinator's own directory belongs to the coordinator, which may run.
    with tempfile.TemporaryDirectory() as directory:
        try:
            registry = await EtcdRegistry.open(
                settings.etcd, settings.federation, Path(directory), SystemClock(), lease
            )
        except (RegistryUnreachable, CredentialsUnusable) as error:
            raise NotDone([_of_registry(error)]) from error
        try:
            return await registry.audit_rows()
        except Refused as refused:
            raise NotDone([_of_registry(refusal(refused))]) from refused
        finally:
            await registry.close()


def _as_json(head: Head) -> dict[str, object]:
    return {"rows": head.sequence, "hash": head.hash.hex()}


def _line(head: Head) -> str:
    return translated(
        "{rows} rows, unbroken; the head is {head}", rows=head.sequence, head=f"{head.sequence}:{head.hash.hex()}"
    )
