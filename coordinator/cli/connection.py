"""The connection of an administrator to the coordinators, and its options."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Concatenate, ParamSpec, TypeVar

import click
import grpc
from google.protobuf.message import Message

from gateway.api.coordinator.v1.administration_pb2 import GetTermsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.asking import Rpc
from gateway.cli.exits import CannotReach, NotDone
from gateway.cli.reachability import Choices, EndpointType, Server, credentials_advice, for_whom
from gateway.errors import Refused, Unreachable
from gateway.rpc.channels import invoke
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import server_name
from gateway.security.tls import Credentials, CredentialsUnusable
from gateway.wording.languages import refusal, translated
from gateway.wording.terms import learn

TIMEOUT = 10.0  # seconds for one call
_TERMS_SECONDS = 2.0
_CHOICES = Choices("--coordinator", "--federation", "--credentials")

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


@dataclass(frozen=True)
class Connection:
    """The addresses of the coordinators, and the caller's credentials."""

    endpoints: Sequence[str]
    """At least one address.

    The next one is tried where a coordinator does not respond, or cannot reach the registry.
    """
    credentials: Credentials
    federation: str

    prints_defaults: ClassVar[bool] = True
    """See Link."""

    def call(self, rpc: "Rpc[Q, A]", request: Q, seconds: float | None = None, request_id: str = "") -> A:
        """See Link. Raises as `ask`."""
        return self.ask(lambda channel: invoke(rpc(channel), request, seconds or TIMEOUT), request_id)

    def ask(
        self, question: Callable[[grpc.aio.Channel], Awaitable[T]], request_id: str = "", *, passes_busy: bool = False
    ) -> T:
        """Makes a call over its own channel; a retry may repeat it. Raises NotDone or CannotReach.

        `passes_busy` has the next coordinator asked also where one is too busy.
        """
        passed = {Reason.REASON_REGISTRY_UNAVAILABLE} | ({Reason.REASON_TOO_BUSY} if passes_busy else set())
        try:
            return asyncio.run(self._ask(question, passed))
        except Refused as error:
            denied = error.reason == Reason.REASON_PERMISSION_DENIED
            advice = for_whom(error.parameters.get("method", "")) if denied else ""
            raise NotDone([" ".join(filter(None, (refusal(error), advice)))]) from error
        except CredentialsUnusable as error:
            raise NotDone([str(error), credentials_advice(_CHOICES)]) from error

    def server(self, endpoint: str) -> Server:
        """The coordinator there."""
        name = server_name(Role.ROLE_COORDINATOR, "", self.federation)
        return Server(endpoint, name, self.credentials, _CHOICES)

    async def _ask(
        self, question: Callable[[grpc.aio.Channel], Awaitable[T]], passed: Container[Reason.ValueType]
    ) -> T:
        """`passed` are the reasons for which the next coordinator is asked."""
        failures: list[str] = []
        reasons: set[Reason.ValueType] = set()
        outcome_known = True  # a refusal means that nothing was changed; no response means nothing
        for endpoint in self.endpoints:
            server = self.server(endpoint)
            async with server.channel() as channel:
                try:
                    answer = await question(channel)
                    await _learn_terms(channel)
                    return answer
                except Unreachable as failure:
                    outcome_known = False
                    failures.append(server.told(failure.status))
                except Refused as refused:
                    if refused.reason not in passed:
                        raise
                    reasons.add(refused.reason)
                    failures.append(
                        translated(
                            "refused by the coordinator at {endpoint}: {problem}",
                            endpoint=endpoint,
                            problem=refusal(refused),
                        )
                    )
        if outcome_known:
            if Reason.REASON_REGISTRY_UNAVAILABLE in reasons:
                failures.append(
                    translated("`coordinator doctor`, where a coordinator runs, says what is wrong with etcd")
                )
            raise NotDone(failures)
        raise CannotReach("\n".join(failures))


async def _learn_terms(channel: grpc.aio.Channel) -> None:
    """Fetches the federation's terms for the command, which works without them after a failure."""
    with contextlib.suppress(Unreachable, Refused):
        learn((await invoke(ConfigurationServiceStub(channel).GetTerms, GetTermsRequest(), _TERMS_SECONDS)).terms)


class _Endpoints(click.ParamType[tuple[str, ...]]):
    """`host:port`, or several with commas between them."""

    name = "endpoints"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """See click."""
        return tuple(EndpointType().convert(each.strip(), param, ctx) for each in str(value).split(","))


def server_told(told: Mapping[str, object]) -> Server | None:
    """The first coordinator in the option values, if any. Raises ValueError for an impossible federation."""
    match told:
        case {"endpoints": (str(endpoint), *_), "credentials": Path() as files, "federation": str(federation)}:
            return Connection((endpoint,), Credentials.within(files), federation).server(endpoint)
    return None


def connected(command: Callable[Concatenate[Connection, P], None]) -> Callable[..., None]:
    """Gives a command a connection as its first argument, made from options or the environment."""

    def require(connection: Connection | None, /, *args: P.args, **kwargs: P.kwargs) -> None:
        assert connection is not None, "click requires every part of it"
        command(connection, *args, **kwargs)

    functools.update_wrapper(require, command)
    return _with_options(require, required=True)


def connected_if_told(command: Callable[Concatenate[Connection | None, P], None]) -> Callable[..., None]:
    """As `connected`, for a command with an optional connection: None where an option is missing."""
    return _with_options(command, required=False)


def optionally_connected(command: Callable[..., None]) -> Callable[..., None]:
    """As `connected_if_told`, by the name `connection`: for a command whose first argument is its settings."""

    @functools.wraps(command)
    def give(connection: Connection | None, /, *args: object, **kwargs: object) -> None:
        command(*args, connection=connection, **kwargs)

    return connected_if_told(give)


def _with_options(command: Callable[Concatenate[Connection | None, P], None], *, required: bool) -> Callable[..., None]:
    @_options(required=required)
    @functools.wraps(command)
    def connect(
        endpoints: tuple[str, ...] | None,
        credentials: Path | None,
        federation: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        command(_connection(endpoints, credentials, federation), *args, **kwargs)

    return connect


def _connection(
    endpoints: tuple[str, ...] | None, credentials: Path | None, federation: str | None
) -> Connection | None:
    """The connection; None where an option is missing."""
    if not (endpoints and credentials and federation):
        return None
    return Connection(endpoints, Credentials.within(credentials), federation)


def _options(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options for the coordinators' addresses and the caller, each also read from the environment."""
    options = (
        click.option(
            "--coordinator",
            "endpoints",
            metavar="HOST:PORT[,...]",
            type=_Endpoints(),
            required=required,
            envvar="CROSSREGION_COORDINATOR",
            show_envvar=True,
            help="Where the coordinators serve; the next is asked where one does not answer or cannot reach the"
            " registry.",
        ),
        click.option(
            "--credentials",
            metavar="DIR",
            required=required,
            envvar="CROSSREGION_CREDENTIALS",
            show_envvar=True,
            type=click.Path(path_type=Path, file_okay=False),
            help=f"Your {AUTHORITY_CERTIFICATE}, {TLS_CERTIFICATE} and {TLS_KEY}.",
        ),
        click.option(
            "--federation",
            metavar="NAME",
            required=required,
            envvar="CROSSREGION_FEDERATION",
            show_envvar=True,
            help="The trust domain that the coordinator must prove.",
        ),
    )

    def give(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return give
