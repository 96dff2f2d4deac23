"""`region-node audit`: whether the audit chain is whole."""

import asyncio

import click

from gateway import audit as chain
from gateway.api.federation.v1.federation_pb2 import AuditHead, GetAuditHeadRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.channels import Dialer, invoke
from gateway.clock import SystemClock
from gateway.errors import Refused
from gateway.identity import server_name
from gateway.languages import refusal, translated
from gateway.relay.transport import Unreachable
from gateway.settings import Sources
from gateway.signing import AUDIT_HEAD, TrustedKeys
from gateway.store.port import StoreUnusable
from gateway.tls import CredentialsUnusable
from region_node.cli.config import load_settings, settings_options
from region_node.cli.exits import NOT_KNOWN, REFUSED, USAGE, leave
from region_node.settings import RegionSettings

_TIMEOUT = 5.0  # seconds for the answer of a coordinator


class NoWitness(Exception):
    """No coordinator gave a head that counts; the text says what each of them said."""


@click.group()
def audit() -> None:
    """Look after the audit chain."""


@audit.command()
@settings_options
@click.option("--offline", is_flag=True, help="Ask no coordinator; then a cut tail is not found.")
def verify(sources: Sources, offline: bool) -> None:
    """Check every row of the chain, and its end against the last head that a coordinator keeps.

    Reads the database beside the running node and changes nothing.

    \b
    Example:
      region-node audit verify --settings sichuan/node.toml

    \b
    Exit codes:
      0  the chain is whole
      1  the chain is broken; the text says where
      2  the command line, the settings or the database cannot be used
      3  no coordinator could be asked; give --offline to do without
    """
    settings = load_settings(sources)
    try:
        witnessed = None if offline else asyncio.run(_Witnesses(settings).last_head())
        # The head is asked for first: a chain read after it can only be longer.
        with settings.database.look() as tx:
            rows = chain.rows(tx)
    except CredentialsUnusable as error:
        leave(str(error), USAGE)
    except StoreUnusable as error:
        leave(str(error), USAGE)
    except NoWitness as error:
        told = translated("Give --offline to check the chain alone; a cut tail is not found then.")
        leave(f"{error}\n{told}", NOT_KNOWN)
    try:
        head = chain.verify(rows, witnessed)
    except chain.ChainBroken as error:
        told = translated(
            "The audit chain of {database} is broken: {problem}.", database=settings.database, problem=error
        )
        leave(told, REFUSED)
    click.echo(
        translated(
            "The audit chain of {database} is whole: {rows} rows, head {head}.",
            database=settings.database,
            rows=head.sequence,
            head=head.hash.hex(),
        )
    )
    click.echo(_compared(witnessed, offline))


def _compared(witnessed: chain.Head | None, offline: bool) -> str:
    if offline:
        return translated("No coordinator was asked: a cut tail would not have been found.")
    if witnessed is None or witnessed.sequence == 0:
        return translated("The coordinators know of no row of this region yet: a cut tail would not have been found.")
    return translated("It contains row {row} as a coordinator keeps it, signed by this region.", row=witnessed.sequence)


class _Witnesses:
    """The coordinators of the settings, asked with the node's own certificate."""

    def __init__(self, settings: RegionSettings) -> None:
        """Raises CredentialsUnusable, or NoWitness where the node's own files cannot prove a signature."""
        self._settings = settings
        self._clock = SystemClock()
        now = self._clock.now()
        self._keys = TrustedKeys(settings.credentials.load(now).authority, settings.federation)
        try:
            self._keys.accept(settings.region, settings.signing.certificate.read_bytes(), now)
        except (OSError, Refused) as error:
            raise NoWitness(f"{settings.signing.certificate}: {refusal(error)}") from error

    async def last_head(self) -> chain.Head | None:
        """The longest head that a coordinator keeps; None where none of those that answer keeps one.

        Raises NoWitness where none answers, or one shows a head that this region did not sign.
        """
        coordinators = self._settings.coordinators
        answers = await asyncio.gather(*(self._ask(each) for each in coordinators), return_exceptions=True)
        problems, heads = [], []
        for coordinator, answer in zip(coordinators, answers, strict=True):
            if isinstance(answer, Refused | Unreachable):
                problems.append(
                    translated(
                        "Coordinator {coordinator} gave no audit head: {problem}",
                        coordinator=coordinator,
                        problem=refusal(answer),
                    )
                )
            elif isinstance(answer, BaseException):
                raise answer
            else:
                heads.append(self._proven(coordinator, answer))
        if not heads:
            raise NoWitness("\n".join(problems))
        return max((head for head in heads if head is not None), key=lambda head: head.sequence, default=None)

    async def _ask(self, coordinator: str) -> AuditHead | None:
        name = server_name(Role.ROLE_COORDINATOR, "", self._settings.federation)
        async with Dialer(self._settings.credentials, self._clock).dial(coordinator, name) as channel:
            stub = FederationServiceStub(channel)
            response = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), _TIMEOUT)
        return response.audit_head if response.HasField("audit_head") else None

    def _proven(self, coordinator: str, told: AuditHead | None) -> chain.Head | None:
        """The head, if this region signed it."""
        if told is None:
            return None
        head = chain.Head(told.sequence, told.hash)
        if not self._keys.verify(self._settings.region, AUDIT_HEAD, head.signed_bytes(), told.signature):
            raise NoWitness(
                translated(
                    "Coordinator {coordinator} keeps a head that this region's key did not sign.",
                    coordinator=coordinator,
                )
            )
        return head
