"""A change of the registry is made once, whatever becomes of the answers of etcd."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum, auto
from uuid import uuid4

import grpc
import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Changes, Found, Noted, Put
from coordinator.registry.etcd.client import (
    ATTEMPT_SECONDS,
    TRANSACTION,
    EtcdClient,
    Forgotten,
    Method,
    Rejected,
    Request,
    Response,
    Unanswered,
)
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.time.clock import SystemClock
from tests.contract.registries import run

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Loss(Enum):
    """What is lost of a transaction that changes something."""

    REQUEST = auto()
    ANSWER = auto()
    LATE = auto()
    """The request arrives only when the test says so; its sender has given up by then."""
    ANSWER_AND_CLUSTER = auto()
    """The answer, and from then on everything."""
    ANSWER_AND_RIGHTS = auto()
    """The answer, and from then on etcd lets us do nothing."""


class LossyClient(EtcdClient):
    """A client that loses transactions as programmed, one after the other."""

    def __init__(self, settings: EtcdSettings) -> None:
        super().__init__(settings, SystemClock())
        self.losses: list[Loss] = []
        self.late: list[rpc_pb2.TxnRequest] = []
        self.is_gone = False
        self.has_rights = True

    async def once(
        self, method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
    ) -> Response:
        """See EtcdClient."""
        if self.is_gone:
            raise Unanswered("gone")
        if not self.has_rights:
            raise Rejected(grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied")
        is_change = isinstance(request, rpc_pb2.TxnRequest) and bool(request.compare)
        loss = self.losses.pop(0) if is_change and self.losses else None
        if loss is Loss.LATE and isinstance(request, rpc_pb2.TxnRequest):
            self.late.append(request)
        if loss in {Loss.REQUEST, Loss.LATE}:
            raise Unanswered("lost")
        answer = await super().once(method, request, seconds)
        self.is_gone = loss is Loss.ANSWER_AND_CLUSTER
        self.has_rights = loss is not Loss.ANSWER_AND_RIGHTS
        if loss is not None:
            raise Unanswered("lost")
        return answer


class Followed:
    """etcd as a test knows it."""

    def __init__(self) -> None:
        self.revision = 0
        self.goes_back_after: int | None = None
        """The answers after which it is restored from an older backup."""

    def require_onward(self, revision: int, seen: int) -> None:
        """See Followed of the changes."""
        if revision < seen or self.goes_back_after == 0:
            raise Forgotten("forgotten")
        if self.goes_back_after is not None:
            self.goes_back_after -= 1


class Scene:
    """A counter in etcd that changes add to, and the chain that tells of them."""

    def __init__(self, client: LossyClient) -> None:
        self.client = client
        self.keys = Keys(f"{uuid4().hex}.example")
        self.followed = Followed()
        self.changes = Changes(client, self.keys, self.followed)
        self.counter = self.keys.joined("counter")

    async def add(self, actor: str = "admin/root") -> int:
        """Adds one; that is not idempotent, so that what is done twice shows."""

        def decide(found: Found) -> Change:
            count = int(found[self.counter].value) if self.counter in found else 0
            return Change({self.counter: Put(b"%d" % (count + 1))}, noted=Noted(actor, "ADDED", "counter"))

        return await self.changes.make([self.counter], decide, NOW)

    async def count(self) -> int:
        """The counter, with the proof that the chain is whole and tells of each change."""
        read = await self.client.read([self.keys.everything])
        rows = KeyRange(self.keys.audit_row(1), self.keys.audit_row(10))
        chain = [
            values.decode_row(entry.value).row
            for key, entry in sorted(read.entries.items())
            if rows.first <= key < rows.end
        ]
        head = audit.verify(chain, [audit.Seen("etcd", values.decode_head(read.entries[self.keys.audit_head].value))])
        assert head.sequence == int(read.entries[self.counter].value)
        return head.sequence


@asynccontextmanager
async def scene(cluster: LocalEtcd) -> AsyncIterator[Scene]:
    client = LossyClient(EtcdSettings(cluster.endpoints, cluster.credentials()))
    try:
        yield Scene(client)
    finally:
        await client.close()


@pytest.mark.parametrize(
    "losses",
    [
        [Loss.REQUEST],
        [Loss.ANSWER],
        [Loss.REQUEST, Loss.REQUEST, Loss.ANSWER],
        [Loss.LATE, Loss.ANSWER],
    ],
)
def test_a_change_whose_requests_or_answers_are_lost_is_made_once(etcd_cluster: LocalEtcd, losses: list[Loss]) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            await etcd.add()
            etcd.client.losses = list(losses)
            revision = await etcd.add()
            assert not etcd.client.losses
            assert await etcd.count() == 2
            read = await etcd.client.read([etcd.keys.everything])
            assert read.entries[etcd.counter].revision == revision

    run(scenario())


def test_a_request_that_comes_late_changes_nothing_once_its_change_was_made(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            etcd.client.losses = [Loss.LATE]
            await etcd.add()
            response = await etcd.client.once(TRANSACTION, etcd.client.late[0])
            assert not response.succeeded
            assert await etcd.count() == 1

    run(scenario())


def test_a_change_that_was_overtaken_while_its_outcome_was_unknown_is_decided_anew(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd, scene(etcd_cluster) as other:
            other.keys, other.changes, other.counter = (
                etcd.keys,
                Changes(other.client, etcd.keys, etcd.followed),
                etcd.counter,
            )
            once = etcd.client.once

            async def overtaken(
                method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
            ) -> Response:
                """Somebody else's change comes first; that the transaction failed is not heard of."""
                if isinstance(request, rpc_pb2.TxnRequest) and request.compare:
                    etcd.client.once = once  # type: ignore[method-assign]
                    await other.add("admin/li")
                    await once(method, request, seconds)
                    raise Unanswered("lost")
                return await once(method, request, seconds)

            etcd.client.once = overtaken  # type: ignore[method-assign]
            await etcd.add()
            assert await etcd.count() == 2

    run(scenario())


@pytest.mark.slow
def test_where_the_outcome_cannot_be_found_out_that_is_what_is_said(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            etcd.client.losses = [Loss.ANSWER_AND_CLUSTER]
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_OUTCOME_UNKNOWN
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            etcd.client.is_gone = False
            assert await etcd.count() == 1

    run(scenario())


def test_where_etcd_rejects_what_would_tell_the_outcome_it_is_not_said_that_nothing_was_changed(
    etcd_cluster: LocalEtcd,
) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            etcd.client.losses = [Loss.ANSWER_AND_RIGHTS]
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_OUTCOME_UNKNOWN
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            etcd.client.has_rights = True
            assert await etcd.count() == 1

    run(scenario())


def test_where_a_value_that_would_tell_the_outcome_cannot_be_read_it_is_not_known(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            etcd.client.losses = [Loss.ANSWER]

            def decide(found: Found) -> Change:
                if not etcd.client.losses:
                    raise Unreadable("is of a later version")
                return Change({etcd.counter: Put(b"1")})

            with pytest.raises(Refused) as refusal:
                await etcd.changes.make([etcd.counter], decide, NOW)
            assert refusal.value.reason == Reason.REASON_OUTCOME_UNKNOWN

    run(scenario())


def test_an_etcd_behind_what_is_known_of_it_is_not_changed(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            await etcd.add()
            etcd.followed.revision = await etcd.add() + 1_000_000
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            with pytest.raises(Refused) as refusal:
                await etcd.changes.make([etcd.counter], lambda _: None, NOW)
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE, "nor is anything said of it"
            assert await etcd.count() == 2

    run(scenario())


def test_of_a_change_that_only_an_etcd_restored_meanwhile_has_the_outcome_is_not_known(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        async with scene(etcd_cluster) as etcd:
            etcd.followed.goes_back_after = 1
            with pytest.raises(Refused) as refusal:
                await etcd.add()
            assert refusal.value.reason == Reason.REASON_OUTCOME_UNKNOWN
            assert await etcd.count() == 1

    run(scenario())
