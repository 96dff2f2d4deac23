"""The connection of an administrator to a coordinator, and the options that say which."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
import grpc

from coordinator.cli.exits import CannotReach, NotDone
from gateway.api.types.v1.access_pb2 import Role
from gateway.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.channels import Dialer
from gateway.clock import SystemClock
from gateway.errors import Refused
from gateway.identity import server_name
from gateway.relay.transport import Unreachable
from gateway.tls import Credentials, CredentialsUnusable

TIMEOUT = 10.0  # seconds for one call

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Connection:
    """Where the coordinator is, and who asks."""

    endpoint: str
    credentials: Credentials
    federation: str

    def ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """Puts a question over a channel of its own. Raises NotDone or CannotReach."""
        try:
            return asyncio.run(self._ask(question))
        except (Refused, CredentialsUnusable) as refusal:
            raise NotDone([str(refusal)]) from refusal
        except Unreachable as failure:
            raise CannotReach(f"no answer from the coordinator at {self.endpoint}: {failure}") from failure

    async def _ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        name = server_name(Role.ROLE_COORDINATOR, "", self.federation)
        async with Dialer(self.credentials, SystemClock()).dial(self.endpoint, name) as channel:
            return await question(channel)


def connected(command: Callable[Concatenate[Connection, P], None]) -> Callable[..., None]:
    """Gives a command a connection as its first argument, made from options or the environment."""

    @click.option(
        "--coordinator",
        "endpoint",
        metavar="HOST:PORT",
        required=True,
        envvar="CROSSREGION_COORDINATOR",
        show_envvar=True,
        help="Where the coordinator serves.",
    )
    @click.option(
        "--credentials",
        metavar="DIR",
        required=True,
        envvar="CROSSREGION_CREDENTIALS",
        show_envvar=True,
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Your {AUTHORITY_CERTIFICATE}, {TLS_CERTIFICATE} and {TLS_KEY}.",
    )
    @click.option(
        "--federation",
        metavar="NAME",
        required=True,
        envvar="CROSSREGION_FEDERATION",
        show_envvar=True,
        help="The trust domain that the coordinator must prove.",
    )
    @functools.wraps(command)
    def connect(endpoint: str, credentials: Path, federation: str, *args: P.args, **kwargs: P.kwargs) -> None:
        files = Credentials(credentials / AUTHORITY_CERTIFICATE, credentials / TLS_CERTIFICATE, credentials / TLS_KEY)
        command(Connection(endpoint, files, federation), *args, **kwargs)

    return connect
