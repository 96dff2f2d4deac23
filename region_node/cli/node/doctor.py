"""`region-node doctor`."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.api.federation.v1.federation_pb2 import MemberState, WatchRequest, WatchResponse
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.reachability import Server
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.maintenance.doctor.certificates import check_signing
from gateway.maintenance.doctor.commands import doctor_command
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.peers import (
    ANSWER_SECONDS,
    clock_finding,
    health,
    peer,
    status_name,
    unreached,
)
from gateway.maintenance.doctor.process import check_process
from gateway.maintenance.doctor.region_keys import check_region_keys
from gateway.maintenance.doctor.renewal import check_renewal
from gateway.security.identity import server_name
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.time.clock import Clock, SystemClock, from_timestamp
from gateway.wording.languages import translated
from gateway.wording.words import value_word
from region_node.cli.node.config import REGION_NODE
from region_node.cli.node.configuration_checks import (
    check_configuration,
    check_kept_limits,
    check_kept_signatures,
    configuration_name,
    kept_revision,
)
from region_node.cli.node.escalation_checks import check_escalations
from region_node.cli.node.forgotten_checks import check_forgotten
from region_node.cli.node.loss_checks import check_catching_up, check_losses
from region_node.cli.node.open_work_checks import check_open_work
from region_node.cli.node.quarantine_checks import check_quarantine
from region_node.cli.node.revision_checks import check_revisions
from region_node.cli.node.scope_checks import check_identity_providers, check_scopes
from region_node.cli.node.sealing_checks import check_sealing_key, sealing_name
from region_node.node.provider_client import provider_name
from region_node.node.settings import FulfilmentSettings, NotificationSettings, RegionSettings

_HIGHEST_REVISION = 2**63 - 1  # no configuration is needed above this revision
_CONFIGURATION_SECONDS = 30.0  # for one with half a million prefixes


async def _examine(sources: Sources, settings: RegionSettings) -> Sequence[Finding]:
    clock, signing = SystemClock(), settings.signing
    renewal = await asyncio.to_thread(check_renewal, settings.own_credentials, settings.identity, clock.now())
    settings = replace(settings, credentials=settings.own_credentials.in_use(clock.now()))
    files = [
        renewal,
        *check_signing(
            signing.certificate,
            signing.key,
            settings.credentials,
            settings.region,
            settings.federation,
            clock.now(),
        ),
        await asyncio.to_thread(check_region_keys, settings.keys, settings.database, REGION_NODE.name),
        check_scopes(settings),
        *check_identity_providers(settings),
        *await asyncio.to_thread(check_kept_signatures, settings, clock.now()),
        await asyncio.to_thread(check_kept_limits, settings.data),
        await asyncio.to_thread(check_revisions, settings, clock.now()),
    ]
    groups = await asyncio.gather(
        check_process(REGION_NODE, sources, settings, clock, files),
        asyncio.to_thread(check_escalations, settings),
        asyncio.to_thread(check_losses, settings.database),
        asyncio.to_thread(check_catching_up, settings),
        asyncio.to_thread(check_quarantine, settings.database),
        asyncio.to_thread(check_forgotten, settings.database, clock.now()),
        asyncio.to_thread(check_open_work, settings),
        *(_check_coordinator(endpoint, settings, clock) for endpoint in settings.coordinators),
        *(
            _alone(_check_provider(kind, provider, settings))
            for kind, provider in (
                (translated("fulfilment system"), settings.providers.fulfilment),
                (translated("notification system"), settings.providers.notification),
            )
            if provider is not None
        ),
    )
    return [finding for group in groups for finding in group]


async def _alone(finding: Coroutine[Any, Any, Finding]) -> list[Finding]:
    return [await finding]


async def _check_provider(
    kind: str, provider: FulfilmentSettings | NotificationSettings, settings: RegionSettings
) -> Finding:
    """Whether a system of the region's own is reached under its name, and serves."""
    name = f"{kind} {provider.endpoint}"
    server = peer(
        provider.endpoint, provider_name(settings.federation, settings.region, provider), settings.credentials
    )
    try:
        channel = server.channel()
    except CredentialsUnusable:
        return not_checked(name, translated("the node has no certificate that can be used"))
    async with channel:
        try:
            status = await health(channel)
        except (Unreachable, Refused) as failure:
            return await unreached(name, server, failure)
    if status != HealthCheckResponse.SERVING:
        return bad(
            name,
            translated("reached, but it says {status}", status=status_name(status)),
            translated("look at the log of that system"),
        )
    return good(name, translated("SERVING, and proves to be {name}", name=provider.name))


async def _check_coordinator(endpoint: str, settings: RegionSettings, clock: Clock) -> list[Finding]:
    """Whether a coordinator is reached with the node's certificate, how the region stands there, its clock, its
    configuration, and the region's key."""
    name = translated("coordinator {endpoint}", endpoint=endpoint)
    clock_name, configuration, sealing = (
        translated("clock against {name}", name=endpoint),
        configuration_name(endpoint),
        sealing_name(endpoint),
    )
    names = (clock_name, configuration, sealing)
    server = peer(endpoint, server_name(Role.ROLE_COORDINATOR, "", settings.federation), settings.credentials)
    try:
        channel = server.channel()
    except CredentialsUnusable:
        told = translated("the node has no certificate that can be used")
        return [not_checked(each, told) for each in (name, *names)]
    async with channel:
        try:
            status = await health(channel)
            if status != HealthCheckResponse.SERVING:
                found = translated("reached, but it says {status}", status=status_name(status))
                todo = translated("wait until it has started or stopped; else `coordinator doctor` there says why")
                told = translated("the coordinator does not serve")
                return [bad(name, found, todo), *(not_checked(each, told) for each in names)]
            before = clock.now()
            response = await _first_state(channel)
            between = clock.now() - before
            kept = await asyncio.to_thread(kept_revision, settings.data)
            newer = response
            if response is not None and response.federation_revision > kept:
                newer = await _first_state(channel, kept, _CONFIGURATION_SECONDS)
        except (Unreachable, Refused) as failure:
            told = translated("the coordinator gave no answer")
            return [await _failed(name, server, failure), *(not_checked(each, told) for each in names)]
    if response is None:
        todo = translated("apply a configuration: `coordinator federation apply`")
        return [
            warning(name, translated("SERVING; the federation has no configuration yet"), todo),
            not_checked(clock_name, translated("without a configuration it tells no time")),
            *(
                not_checked(each, translated("without a configuration it tells of no region"))
                for each in (configuration, sealing)
            ),
        ]
    member = next((each for each in response.members if each.region == settings.region), None)
    published = await asyncio.to_thread(check_sealing_key, endpoint, member, settings, clock.now())
    serves = member is not None and bool(member.endpoints)
    read = check_configuration(endpoint, newer or response, kept, serves=serves)
    if response.HasField("coordinator_time"):
        error = before + between / 2 - from_timestamp(response.coordinator_time)
        of_clock = clock_finding(clock_name, _beyond(error, between), translated("the coordinator"))
    else:
        of_clock = not_checked(clock_name, translated("this version of a coordinator does not tell its time"))
    return [_membership(name, response, settings.region), of_clock, read, published]


async def _first_state(
    channel: grpc.aio.Channel, held: int = _HIGHEST_REVISION, seconds: float = ANSWER_SECONDS
) -> WatchResponse | None:
    """What the coordinator says at once to a node that holds a revision; None where it waits.

    Raises Unreachable or Refused.
    """
    call = FederationServiceStub(channel).Watch(WatchRequest(federation_revision=held), timeout=seconds)
    try:
        async for response in call:
            return response
        raise Unreachable(translated("it ended the stream"))
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return None
        if (refused := from_rpc_error(error)) is not None:
            raise refused from None
        raise Unreachable(f"{error.code().name}: {error.details()}", error.code().name) from None
    finally:
        call.cancel()


def _membership(name: str, response: WatchResponse, region: str) -> Finding:
    revision = translated("SERVING, configuration revision {revision}", revision=response.federation_revision)
    state = next((member.state for member in response.members if member.region == region), None)
    if state is None:
        todo = translated(
            "correct the name of the region, or add it to the configuration: `coordinator federation apply`"
        )
        return bad(name, translated("{revision}; it knows no region {region}", revision=revision, region=region), todo)
    told = value_word(MemberState.DESCRIPTOR, state)
    return good(name, translated("{revision}; this region is {state}", revision=revision, state=told))


async def _failed(name: str, server: Server, failure: Unreachable | Refused) -> Finding:
    if isinstance(failure, Refused) and failure.reason == Reason.REASON_REGION_SUSPENDED:
        todo = translated("ask the administrator why: `coordinator regions list` tells the note")
        return warning(name, translated("SERVING; this region is suspended"), todo)
    return await unreached(name, server, failure)


def _beyond(error: timedelta, between: timedelta) -> timedelta:
    """The error that is certain: the answer was given at an unknown moment between question and answer."""
    certain = max(timedelta(0), abs(error) - between / 2)
    return certain if error > timedelta(0) else -certain


doctor = doctor_command(REGION_NODE, _examine)
