"""`region-node doctor`."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.api.federation.v1.federation_pb2 import MemberState, WatchRequest, WatchResponse
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.channels import Dialer
from gateway.clock import Clock, SystemClock, from_timestamp
from gateway.doctor.certificates import check_credentials, check_signing
from gateway.doctor.commands import doctor_command
from gateway.doctor.database import check_database
from gateway.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.doctor.machine import check_data
from gateway.doctor.peers import ANSWER_SECONDS, advice, check_port, clock_finding, health, status_name
from gateway.errors import Refused, from_rpc_error
from gateway.identity import Identity, server_name
from gateway.relay.transport import Unreachable
from gateway.settings import Sources
from gateway.store.schema import migrations_of
from gateway.tls import CredentialsUnusable
from region_node.cli.config import load_settings, settings_options
from region_node.providers.client import provider_name
from region_node.schema import PACKAGES
from region_node.settings import FulfilmentSettings, NotificationSettings, RegionSettings

_PROGRAM = "region-node"
_HIGHEST_REVISION = 2**63 - 1  # one that needs no configuration to be sent


def _examine(sources: Sources) -> Coroutine[Any, Any, Sequence[Finding]]:
    return _all(sources, load_settings(sources), SystemClock())


async def _all(sources: Sources, settings: RegionSettings, clock: Clock) -> Sequence[Finding]:
    own = Identity(settings.federation, Role.ROLE_REGION, settings.region, "")
    name = server_name(Role.ROLE_REGION, settings.region, settings.federation)
    signing, credentials = settings.signing, settings.credentials
    now = clock.now()
    groups = await asyncio.gather(
        asyncio.to_thread(check_data, settings.data),
        _alone(check_port(settings.listen, name, credentials, clock)),
        asyncio.to_thread(check_database, settings.database, migrations_of(*PACKAGES), _PROGRAM, clock),
        *(_check_coordinator(endpoint, settings, clock) for endpoint in settings.coordinators),
        *(
            _alone(_check_provider(kind, provider, settings, clock))
            for kind, provider in (
                ("fulfilment", settings.providers.fulfilment),
                ("notification", settings.providers.notification),
            )
            if provider is not None
        ),
    )
    return [
        good("settings", f"{sources}: fine"),
        *check_credentials(credentials, now, own),
        *check_signing(signing.certificate, signing.key, credentials, settings.region, settings.federation, now),
        *(finding for group in groups for finding in group),
    ]


async def _alone(finding: Coroutine[Any, Any, Finding]) -> list[Finding]:
    return [await finding]


async def _check_provider(
    kind: str, provider: FulfilmentSettings | NotificationSettings, settings: RegionSettings, clock: Clock
) -> Finding:
    """Whether a system of the region's own is reached under its name, and serves."""
    name = f"{kind} system {provider.endpoint}"
    try:
        channel = Dialer(settings.credentials, clock).dial(
            provider.endpoint, provider_name(settings.federation, settings.region, provider)
        )
    except CredentialsUnusable:
        return not_checked(name, "the node has no certificate that can be used")
    async with channel:
        try:
            status = await health(channel)
        except (Unreachable, Refused) as failure:
            return bad(name, str(failure), advice(failure))
    if status != HealthCheckResponse.SERVING:
        return bad(name, f"reached, but it says {status_name(status)}", "look at the log of that system")
    return good(name, f"SERVING, and proves to be {provider.name}")


async def _check_coordinator(endpoint: str, settings: RegionSettings, clock: Clock) -> list[Finding]:
    """Whether a coordinator is reached with the node's certificate, how the region stands there, and its clock."""
    name, clock_name = f"coordinator {endpoint}", f"clock against {endpoint}"
    try:
        channel = Dialer(settings.credentials, clock).dial(
            endpoint, server_name(Role.ROLE_COORDINATOR, "", settings.federation)
        )
    except CredentialsUnusable:
        told = "the node has no certificate that can be used"
        return [not_checked(name, told), not_checked(clock_name, told)]
    async with channel:
        try:
            status = await health(channel)
            if status != HealthCheckResponse.SERVING:
                found = f"reached, but it says {status_name(status)}"
                findings = [bad(name, found, "wait until it has started or stopped, and look at its log")]
                return [*findings, not_checked(clock_name, "the coordinator does not serve")]
            before = clock.now()
            response = await _first_state(channel)
            between = clock.now() - before
        except (Unreachable, Refused) as failure:
            return [bad(name, str(failure), advice(failure)), not_checked(clock_name, "the coordinator gave no answer")]
    if response is None:
        todo = "apply a configuration: `coordinator federation apply`"
        return [
            warning(name, "SERVING; the federation has no configuration yet", todo),
            not_checked(clock_name, "without a configuration it tells no time"),
        ]
    findings = [_standing(name, response, settings.region)]
    if not response.HasField("time"):
        return [*findings, not_checked(clock_name, "this version of a coordinator does not tell its time")]
    error = before + between / 2 - from_timestamp(response.time)
    return [*findings, clock_finding(clock_name, _beyond(error, between), "the coordinator")]


async def _first_state(channel: grpc.aio.Channel) -> WatchResponse | None:
    """What the coordinator says at once; None where it waits. Raises Unreachable or Refused."""
    call = FederationServiceStub(channel).Watch(
        WatchRequest(federation_revision=_HIGHEST_REVISION), timeout=ANSWER_SECONDS
    )
    try:
        async for response in call:
            return response
        raise Unreachable("it ended the stream")
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return None
        if (refused := from_rpc_error(error)) is not None:
            raise refused from None
        raise Unreachable(f"{error.code().name}: {error.details()}") from None
    finally:
        call.cancel()


def _standing(name: str, response: WatchResponse, region: str) -> Finding:
    revision = f"SERVING, configuration revision {response.federation_revision}"
    state = next((member.state for member in response.members if member.region == region), None)
    if state is None:
        todo = "correct the name of the region, or add it to the configuration: `coordinator federation apply`"
        return bad(name, f"{revision}; it knows no region {region}", todo)
    told = MemberState.Name(state).removeprefix("MEMBER_STATE_").lower()
    if state == MemberState.MEMBER_STATE_SUSPENDED:
        todo = "ask the administrator why: `coordinator regions list` tells the note"
        return warning(name, f"{revision}; this region is {told}", todo)
    return good(name, f"{revision}; this region is {told}")


def _beyond(error: timedelta, between: timedelta) -> timedelta:
    """The error that is certain: the answer was given at an unknown moment between question and answer."""
    certain = max(timedelta(0), abs(error) - between / 2)
    return certain if error > timedelta(0) else -certain


doctor = doctor_command(_PROGRAM, settings_options, _examine)
