"""The etcd cluster of the demo, the tests and the bench: who gets in, and what outlives its members."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import grpc
import pytest
from etcd3.etcdrpc.rpc_pb2 import (
    LeaseGrantRequest,
    LeaseGrantResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
)
from google.protobuf.message import Message

from deploy.local.certificates import HOST_NAME
from deploy.local.etcd import MINIMUM_LEASE_SECONDS, LocalEtcd
from deploy.local.process import state_of
from gateway.security.tls import Credentials, client_credentials, client_options
from tests.engines import ETCD, require_engine

ANSWER_SECONDS = 10
ENDED = ("", "Z")  # gone, or not waited for yet

Answer = TypeVar("Answer", bound=Message)


def call(
    endpoint: str,
    credentials: grpc.ChannelCredentials,
    method: str,
    request: Message,
    response: type[Answer],
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """Calls a member; `method` such as `KV/Put`."""
    with grpc.secure_channel(endpoint, credentials, client_options(HOST_NAME)) as channel:
        stub: grpc.UnaryUnaryMultiCallable[Message, Answer] = channel.unary_unary(
            f"/etcdserverpb.{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return stub(request, timeout=seconds)


def loaded(credentials: Credentials) -> grpc.ChannelCredentials:
    return client_credentials(credentials, datetime.now(UTC))


def put(cluster: LocalEtcd, index: int, key: bytes, value: bytes, seconds: float = ANSWER_SECONDS) -> None:
    request = PutRequest(key=key, value=value)
    call(cluster.endpoints[index], loaded(cluster.credentials()), "KV/Put", request, PutResponse, seconds)


def get(cluster: LocalEtcd, index: int, key: bytes) -> list[bytes]:
    request = RangeRequest(key=key)
    answer = call(cluster.endpoints[index], loaded(cluster.credentials()), "KV/Range", request, RangeResponse)
    return [each.value for each in answer.kvs]


@pytest.fixture
def cluster(etcd_cluster: LocalEtcd) -> Iterator[LocalEtcd]:
    """The shared cluster; its members are made well again after the test."""
    yield etcd_cluster
    for index in range(len(etcd_cluster.endpoints)):
        etcd_cluster.thaw_member(index)
    etcd_cluster.start()


@pytest.fixture
def key() -> bytes:
    """A key of the test's own."""
    return f"/test/{uuid4().hex}".encode()


def test_what_is_put_into_one_member_is_got_from_all(cluster: LocalEtcd, key: bytes) -> None:
    put(cluster, 0, key, b"put")
    assert [get(cluster, index, key) for index in range(3)] == [[b"put"]] * 3


def test_a_client_without_a_certificate_is_refused(cluster: LocalEtcd) -> None:
    trusted = cluster.credentials().authority.read_bytes()
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        call(
            cluster.endpoints[0],
            grpc.ssl_channel_credentials(trusted),
            "KV/Range",
            RangeRequest(key=b"a"),
            RangeResponse,
        )


def test_a_certificate_of_another_authority_is_refused(cluster: LocalEtcd, tmp_path: Path) -> None:
    stranger = LocalEtcd(tmp_path).credentials()
    trusted = cluster.credentials().authority
    mixed = loaded(Credentials(trusted, stranger.certificate, stranger.key))
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        call(cluster.endpoints[0], mixed, "KV/Range", RangeRequest(key=b"a"), RangeResponse)


def test_the_shortest_lease_is_as_told(cluster: LocalEtcd) -> None:
    granted = call(
        cluster.endpoints[0],
        loaded(cluster.credentials()),
        "Lease/LeaseGrant",
        LeaseGrantRequest(TTL=1),
        LeaseGrantResponse,
    )
    assert granted.TTL == MINIMUM_LEASE_SECONDS


def test_what_was_put_is_there_after_all_members_were_killed(cluster: LocalEtcd, key: bytes) -> None:
    put(cluster, 0, key, b"put")
    endpoints = cluster.endpoints
    cluster.kill()
    assert not any(cluster.is_healthy(index) for index in range(3))
    cluster.start()
    assert cluster.endpoints == endpoints
    assert get(cluster, 1, key) == [b"put"]


@pytest.mark.slow
def test_the_others_go_on_without_a_killed_leader(cluster: LocalEtcd, key: bytes) -> None:
    killed = cluster.leader()
    cluster.kill_member(killed)
    other = cluster.leader()
    assert other != killed
    put(cluster, other, key, b"put meanwhile")
    cluster.start_member(killed)
    assert get(cluster, killed, key) == [b"put meanwhile"]


@pytest.mark.slow
def test_the_others_go_on_without_a_frozen_leader(cluster: LocalEtcd, key: bytes) -> None:
    frozen = cluster.leader()
    cluster.freeze_member(frozen)
    other = cluster.leader()
    assert other != frozen
    assert not cluster.is_healthy(frozen)
    put(cluster, other, key, b"put meanwhile")
    cluster.thaw_member(frozen)
    cluster.await_member(frozen)
    assert get(cluster, frozen, key) == [b"put meanwhile"]


@pytest.mark.slow
def test_without_a_majority_no_put_is_answered(cluster: LocalEtcd, key: bytes) -> None:
    cluster.kill_member(0)
    cluster.kill_member(1)
    with pytest.raises(grpc.RpcError, match=r"DEADLINE_EXCEEDED|UNAVAILABLE"):
        put(cluster, 2, key, b"not put", seconds=1)


@pytest.mark.slow
def test_a_wiped_member_rejoins_and_has_everything_again(cluster: LocalEtcd, key: bytes) -> None:
    put(cluster, 0, key, b"put")
    wiped = cluster.leader()
    cluster.wipe_member(wiped)
    cluster.rejoin_member(wiped)
    assert get(cluster, wiped, key) == [b"put"]
    cluster.kill_member((wiped + 1) % 3)
    cluster.leader()
    put(cluster, wiped, key, b"put with its vote")


def test_nothing_is_left_of_a_cluster_that_was_removed(tmp_path: Path) -> None:
    require_engine(ETCD)
    cluster = LocalEtcd(tmp_path / "own", members=1)
    try:
        cluster.prepare()
        cluster.start()
        cluster.credentials()
        pid = cluster.pid(0)
        cluster.freeze_member(0)
    finally:
        cluster.remove()
    assert state_of(pid) in ENDED
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["etcd-0.log"]


@pytest.mark.slow
def test_a_frozen_member_can_be_stopped_and_started(cluster: LocalEtcd) -> None:
    cluster.freeze_member(1)
    cluster.stop_member(1)
    cluster.start_member(1)
    assert cluster.is_healthy(1)
