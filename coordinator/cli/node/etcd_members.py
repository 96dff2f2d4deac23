"""The members of etcd one by one, and whether they form a quorum: for `coordinator doctor`."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from etcd3.etcdrpc import rpc_pb2
from google.protobuf.message import Message

from coordinator.registry.etcd.settings import EtcdSettings
from gateway.cli.reachability import Diagnosis
from gateway.errors import Unreachable
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.peers import ANSWER_SECONDS, peer
from gateway.security.tls import ChannelOptions, CredentialsUnusable, client_credentials
from gateway.settings import host_of
from gateway.time.clock import Clock
from gateway.wording.languages import enumerated, translated

LEAST_VERSION = (3, 5)
_SLOW_MS = 100.0  # a heartbeat of etcd: members farther from each other than this elect new leaders
_FEWEST = 3  # members, of which one may fail
_ALARMS = {1: "NOSPACE", 2: "CORRUPT"}  # as etcd numbers them
_OPTIONS: ChannelOptions = (("grpc.enable_http_proxy", 0), ("grpc.service_config_disable_resolution", 1))

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Member:
    """The responses of one endpoint."""

    endpoint: str
    status: rpc_pb2.StatusResponse | None
    listed: int
    """The number of members in the endpoint's list."""
    alarms: Sequence[str]
    milliseconds: float
    failure: Diagnosis | None


async def check_etcd(settings: EtcdSettings, clock: Clock) -> list[Finding]:
    """Checks every member by itself, and their agreement."""
    try:
        credentials = client_credentials(settings.credentials, clock.now())
    except CredentialsUnusable:
        told = translated("there is no certificate for etcd that can be used")
        return [not_checked(name, told) for name in (*(f"etcd {each}" for each in settings.endpoints), _quorum_name())]
    members = await asyncio.gather(*(_look(endpoint, credentials, settings) for endpoint in settings.endpoints))
    return [*(_member(each) for each in members), _quorum(members)]


async def _look(endpoint: str, credentials: grpc.ChannelCredentials, settings: EtcdSettings) -> Member:
    async with grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS) as channel:
        try:
            # The first call connects and is not measured.
            await _ask(channel, "Maintenance/Status", rpc_pb2.StatusRequest(), rpc_pb2.StatusResponse)
            began = time.perf_counter()
            status = await _ask(channel, "Maintenance/Status", rpc_pb2.StatusRequest(), rpc_pb2.StatusResponse)
            milliseconds = (time.perf_counter() - began) * 1000
            listed = await _ask(channel, "Cluster/MemberList", rpc_pb2.MemberListRequest(), rpc_pb2.MemberListResponse)
        except Unreachable as failure:
            server = peer(endpoint, host_of(endpoint).strip("[]"), settings.credentials)
            found = await asyncio.to_thread(server.diagnosis, failure.status)
            return Member(endpoint, None, 0, (), 0.0, found)
        return Member(endpoint, status, len(listed.members), await _alarms(channel, status), milliseconds, None)


async def _alarms(channel: grpc.aio.Channel, status: rpc_pb2.StatusResponse) -> Sequence[str]:
    if not status.leader:
        return ()
    try:
        told = await _ask(channel, "Maintenance/Alarm", rpc_pb2.AlarmRequest(), rpc_pb2.AlarmResponse)
    except Unreachable:
        return ()  # the lost quorum is a finding of its own
    own = [each for each in told.alarms if each.memberID == status.header.member_id]
    return [_ALARMS.get(each.alarm, str(each.alarm)) for each in own]


async def _ask(channel: grpc.aio.Channel, method: str, request: Message, response: type[Response]) -> Response:
    rpc: grpc.aio.UnaryUnaryMultiCallable[Message, Response] = channel.unary_unary(
        f"/etcdserverpb.{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
    try:
        return await rpc(request, timeout=ANSWER_SECONDS)
    except grpc.aio.AioRpcError as error:
        raise Unreachable(f"{error.code().name}: {error.details()}", error.code().name) from None


def _member(member: Member) -> Finding:
    name, status = f"etcd {member.endpoint}", member.status
    if status is None:
        failure = member.failure or Diagnosis(translated("no answer"), translated("ask again"))
        return bad(name, failure.cause, failure.todo)
    role = translated("leader") if status.leader == status.header.member_id else translated("follower")
    found = translated(
        "version {version}, {role}, {milliseconds} ms, {size} MiB",
        version=status.version,
        role=role,
        milliseconds=f"{member.milliseconds:.1f}",
        size=f"{status.dbSize / 2**20:.1f}",
    )
    if not status.leader:
        return bad(
            name,
            translated("version {version}, knows no leader", version=status.version),
            translated("see that it reaches a majority of the others"),
        )
    if member.alarms:
        todo = translated(
            "compact and defragment it, then disarm the alarm (etcdctl alarm disarm): it takes no changes meanwhile"
        )
        return bad(name, translated("{found}, alarm {alarms}", found=found, alarms=enumerated(member.alarms)), todo)
    if _version(status.version) < LEAST_VERSION:
        return bad(name, found, translated("etcd {least} or newer is needed", least=".".join(map(str, LEAST_VERSION))))
    if member.milliseconds > _SLOW_MS:
        return warning(name, found, translated("see whether its machine, its disk or the network to it is overloaded"))
    return good(name, found)


def _version(told: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", told)[:2])


def _quorum_name() -> str:
    return translated("etcd quorum")


def _quorum(members: Sequence[Member]) -> Finding:
    answering = [each.status for each in members if each.status is not None]
    if not answering:
        todo = translated("start etcd: coordinators route by their last good copy meanwhile, and refuse changes")
        return bad(_quorum_name(), translated("no member answers"), todo)
    if len({each.header.cluster_id for each in answering}) > 1:
        return bad(
            _quorum_name(),
            translated("the endpoints are of different clusters"),
            translated("name the members of one cluster in the settings"),
        )
    return _agreement(max(each.listed for each in members), len(members), answering)


def _agreement(size: int, named: int, answering: Sequence[rpc_pb2.StatusResponse]) -> Finding:
    """The finding about a cluster of `size` members, of which the settings name `named`."""
    following = len({each.header.member_id for each in answering if each.leader})
    leaders = {each.leader for each in answering if each.leader}
    needed = size // 2 + 1
    found = translated("{following} of {size} members answer and have a leader", following=following, size=size)
    if following < needed and size <= named:
        todo = translated(
            "start the others: {needed} are needed; coordinators route by their last good copy meanwhile", needed=needed
        )
        return bad(_quorum_name(), found, todo)
    todo = ""
    if len(leaders) > 1:
        found, todo = (
            translated("{found}, not the same one", found=found),
            translated("look again: an election may have been under way"),
        )
    elif size > named:
        found, todo = (
            translated("{found}; the settings name {named}", found=found, named=named),
            translated("name all members in the settings"),
        )
    elif size < _FEWEST or size % 2 == 0:
        todo = translated("use {fewest} members or another odd number, so that one may be lost", fewest=_FEWEST)
    elif following < size:
        todo = translated(
            "start the others: no more than {count} may be lost before changes are refused", count=following - needed
        )
    return warning(_quorum_name(), found, todo) if todo else good(_quorum_name(), found)
