"""Other members: called with this process's certificate for their health and their time."""

import asyncio
from datetime import timedelta

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from gateway.cli.reachability import Choices, Server
from gateway.errors import Refused, Unreachable
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.machine import PortTaken, try_port
from gateway.rpc.channels import invoke
from gateway.security.tls import Credentials, CredentialsUnusable
from gateway.settings import on_every_interface
from gateway.time.clock import MAX_CLOCK_ERROR
from gateway.wording.languages import refusal, translated

ANSWER_SECONDS = 4.0
# At most half of the error that leads to refused orders; a clock under NTP is within milliseconds.
CLOCK_WARNING = timedelta(seconds=2)


async def health(channel: grpc.aio.Channel) -> int:
    """The health that a server reports, as `HealthCheckResponse.ServingStatus`. Raises Unreachable or Refused."""
    check: grpc.aio.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse] = channel.unary_unary(
        "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    return (await invoke(check, HealthCheckRequest(), ANSWER_SECONDS)).status


async def check_port(listen: str, server_name: str, credentials: Credentials) -> Finding:
    """Checks that the port is free, or held by a process with the same server name."""
    try:
        return good(translated("port"), await asyncio.to_thread(try_port, listen))
    except OSError as error:
        return bad(
            translated("port"),
            f"{listen}: {error.strerror}",
            translated("name an address of this machine that may be listened on"),
        )
    except PortTaken:
        pass
    host, _, port = listen.rpartition(":")
    endpoint = f"localhost:{port}" if on_every_interface(listen) else f"{host}:{port}"
    held = peer(endpoint, server_name, credentials)
    try:
        async with held.channel() as channel:
            status = await health(channel)
    except CredentialsUnusable:
        return not_checked(
            translated("port"),
            translated("{listen}: somebody listens; who, only a usable certificate finds out", listen=listen),
        )
    except (Unreachable, Refused) as failure:
        found = translated(
            "{listen}: another process listens, which does not prove to be {server_name}: {problem}",
            listen=listen,
            server_name=server_name,
            problem=(await unreached("", held, failure)).found,
        )
        return bad(translated("port"), found, translated("stop that process, or listen on another port"))
    return good(
        translated("port"),
        translated(
            "{listen}: held by {server_name}, which says {status}",
            listen=listen,
            server_name=server_name,
            status=status_name(status),
        ),
    )


def status_name(status: int) -> str:
    """The name of a health status."""
    return HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.ServingStatus.ValueType(status))


async def unreached(name: str, server: Server, failure: Unreachable | Refused) -> Finding:
    """The finding about a peer that did not respond: the error and the remedy."""
    if isinstance(failure, Refused):
        todo = translated("have the authority of the federation issue a certificate for this member")
        return bad(name, refusal(failure), todo)
    found = await asyncio.to_thread(server.diagnosis, failure.status)
    return bad(name, found.cause, found.todo)


def peer(endpoint: str, server_name: str, credentials: Credentials) -> Server:
    """A peer that the settings name."""
    choices = Choices(
        translated("the address in the settings"), translated("the names in the settings"), translated("the settings")
    )
    return Server(endpoint, server_name, credentials, choices)


def clock_finding(name: str, error: timedelta, whose: str) -> Finding:
    """How far the clock of this machine is from another one."""
    seconds = error.total_seconds()
    size = f"{abs(seconds):.3f}"
    found = translated("this clock is {seconds} s behind that of {whose}", seconds=size, whose=whose)
    if seconds > 0:
        found = translated("this clock is {seconds} s ahead of that of {whose}", seconds=size, whose=whose)
    if abs(error) > MAX_CLOCK_ERROR:
        limit = MAX_CLOCK_ERROR.total_seconds()
        todo = translated(
            "set the clocks right (NTP): beyond {limit} s no work that expires is accepted", limit=f"{limit:.0f}"
        )
        return bad(name, found, todo)
    if abs(error) > CLOCK_WARNING:
        return warning(name, found, translated("see that NTP keeps both clocks"))
    return good(name, found)
