"""The node of a command, and the caller's identity: the options that such commands share."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import IO, ClassVar, Concatenate, ParamSpec, TypeVar

import click
import grpc
from google.protobuf.message import Message

from gateway.api.region.v1.catalogue_service_pb2 import GetTermsRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Channel
from gateway.cli.asking import Rpc
from gateway.cli.exits import NOT_KNOWN, REFUSED, leave
from gateway.cli.reachability import Choices, EndpointType, Server, credentials_advice
from gateway.client.aio import watch
from gateway.client.repeating import PATIENCE
from gateway.security.identity import server_name
from gateway.security.tls import Credentials, CredentialsUnusable
from gateway.wording.languages import translated
from gateway.wording.terms import learn
from gateway.wording.times import show_times_of
from region_node.cli.outcome import may_pass, told_by

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
Stream = Callable[[grpc.aio.Channel], "grpc.aio.UnaryStreamMultiCallable[Q, A]"]

CHANNELS = tuple(name.removeprefix("CHANNEL_").lower() for name in Channel.keys()[1:])
"""The channels by the names that options take."""
patience_option = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=PATIENCE,
    show_default=True,
    help="Seconds without progress, for example while the node is away, before the command gives up.",
)


def _own_region(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The region of the credentials' operator or staff: no other node accepts them."""
    own = (re.fullmatch(r"spiffe://[^/]+/region/([^/]+)/.*", each) for each in _own_names(context))
    return [found[1] for found in own if found is not None and found[1].startswith(incomplete)]


def own_staff_id(context: click.Context) -> str | None:
    """The staff id in the certificate of a command's credentials; None where it is of no member of staff."""
    own = (re.fullmatch(r"spiffe://[^/]+/region/[^/]+/staff/([^/]+)", each) for each in _own_names(context))
    return next((found[1] for found in own if found is not None), None)


def _own_names(context: click.Context) -> list[str]:
    """The URIs in the certificate of the credentials; none where it cannot be read, or is not named."""
    try:
        return Credentials.within(Path(context.params.get("credentials") or "")).names()
    except (CredentialsUnusable, ValueError):
        return []


_OPTIONS = (
    click.option(
        "--node",
        required=True,
        type=EndpointType(),
        envvar="CROSSREGION_NODE",
        show_envvar=True,
        help="The node: host:port.",
    ),
    click.option(
        "--credentials",
        required=True,
        envvar="CROSSREGION_CREDENTIALS",
        show_envvar=True,
        type=click.Path(path_type=Path, file_okay=False),
        help="The directory with authority.crt, tls.crt and tls.key of an operator system or a member of staff.",
    ),
    click.option("--federation", required=True, envvar="CROSSREGION_FEDERATION", show_envvar=True, help="Its name."),
    click.option(
        "--region",
        required=True,
        envvar="CROSSREGION_REGION",
        show_envvar=True,
        shell_complete=_own_region,
        help="The node's region.",
    ),
    click.option(
        "--staff-proof",
        type=click.File(encoding="utf-8"),
        envvar="CROSSREGION_STAFF_PROOF",
        show_envvar=True,
        help="The file with a statement, or a token of the identity provider, of the member of staff who acts.",
    ),
)
_SECONDS = 30.0  # for one answer
_TERMS_SECONDS = 2.0  # a command does without them where the node is slow
_CHOICES = Choices("--node", "--region, --federation", "--credentials")


@dataclass(frozen=True)
class Target:
    """The node, the server name that it must prove, and the caller's credentials."""

    server: Server
    region: str

    prints_defaults: ClassVar[bool] = False
    """See Link."""

    def ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]], request_id: str = "") -> T:
        """The node's response. Ends the command without one, and prints how to repeat the request by its id, if any.

        Raises UsageError for unusable credentials.
        """

        async def run() -> T:
            async with self.channel() as channel:
                return await question(channel)

        try:
            return asyncio.run(run())
        except grpc.aio.AioRpcError as error:
            told = told_by(error, self.server)
            if not may_pass(error):
                leave(translated("Refused: {problem}", problem=told), REFUSED)
            if request_id:
                again = translated("Run it again with --request-id {id}: it is done once.", id=request_id)
                told = f"{told}\n{again}"
            leave(told, NOT_KNOWN)

    def call(self, rpc: "Rpc[Q, A]", request: Q, seconds: float | None = None, request_id: str = "") -> A:
        """See Link. Ends the command as `ask`."""
        return self.ask(lambda channel: rpc(channel)(request, timeout=seconds or _SECONDS), request_id)

    def follow(self, rpc: "Stream[Q, A]", request: Q, tell: Callable[[A], None], patience: float = PATIENCE) -> None:
        """Prints each message of a stream once, whatever cuts it, until interrupted.

        Ends the command where the node refuses, or is away for `patience` seconds. Raises UsageError for unusable
        credentials.
        """

        async def told(channel: grpc.aio.Channel) -> None:
            async for each in watch(rpc(channel), request, patience=patience, tell=self.tell_away):
                tell(each)

        self.ask(told)

    def tell_away(self, error: grpc.aio.AioRpcError) -> None:
        """Prints on standard error that the node is away, and that the command retries."""
        told = told_by(error, self.server)
        click.echo(translated("The node is away, it is tried again: {problem}", problem=told), err=True)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to the node, after the command has the federation's terms.

        Raises UsageError for unusable credentials. A node that does not respond shows at the next call.
        """
        try:
            channel = self.server.channel()
        except CredentialsUnusable as error:
            raise click.UsageError(f"{error}\n{credentials_advice(self.server.choices)}") from error
        async with channel:
            show_times_of(self.region)
            with suppress(grpc.aio.AioRpcError):
                await learn_terms(channel)
            yield channel


async def learn_terms(channel: grpc.aio.Channel) -> None:
    """Fetches the federation's terms for the command. Raises AioRpcError."""
    learn((await CatalogueServiceStub(channel).GetTerms(GetTermsRequest(), timeout=_TERMS_SECONDS)).terms)


def server_told(told: Mapping[str, object]) -> Server | None:
    """The node in the option values, if any. Raises ValueError for an invalid one."""
    match told:
        case {"node": str(node), "credentials": Path() as files, "federation": str(name), "region": str(region)}:
            return _server(node, files, name, region)
    return None


def _server(node: str, credentials: Path, federation: str, region: str, staff_proof: str = "") -> Server:
    name = server_name(Role.ROLE_REGION, region, federation)
    return Server(node, name, Credentials.within(credentials), _CHOICES, staff_proof)


def connection_options(command: Callable[Concatenate[Target, P], None]) -> Callable[..., None]:
    """Adds the options for the node's address and the caller; the command receives the Target first."""

    @wraps(command)
    def reached(
        node: str,
        credentials: Path,
        federation: str,
        region: str,
        staff_proof: IO[str] | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        token = "" if staff_proof is None else staff_proof.read().strip()
        try:
            server = _server(node, credentials, federation, region, token)
        except ValueError as error:
            raise click.UsageError(
                translated(
                    "no node can be of the region {region!r} and the federation {federation!r}: correct --region or "
                    "--federation",
                    region=region,
                    federation=federation,
                )
            ) from error
        command(Target(server, region), *args, **kwargs)

    decorated: Callable[..., None] = reached
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
