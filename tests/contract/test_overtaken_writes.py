"""A change that others overtake is decided anew, and counts once in what its region may write."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry import shares
from coordinator.registry.etcd import contact
from coordinator.registry.etcd.client import ATTEMPT_SECONDS, TRANSACTION, EtcdClient, Method, Request, Response
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.api.coordinator.v1.problem_service_pb2 import ListProblemsRequest
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.rpc.channels import invoke
from tests.contract.coordinators import PATIENCE_S, Federation, keys_of, run
from tests.contract.small_federation import Certificates
from tests.contract.test_registry_shares import (
    KIB,
    Registered,
    alarm,
    assign,
    case,
    count,
    given,
    hold,
    report,
    tell,
    until_refused,
    window,
)
from tests.unit.network_events import CRITICAL

ATTEMPTS = 4
pytestmark = pytest.mark.usefixtures("settled_alone")


def _another_write(key: bytes) -> rpc_pb2.TxnRequest:
    """Writes the value of a key again, if it has one."""
    is_there = rpc_pb2.Compare(result=rpc_pb2.Compare.GREATER, target=rpc_pb2.Compare.VERSION, key=key, version=0)
    put = rpc_pb2.PutRequest(key=key, ignore_value=True, ignore_lease=True)
    return rpc_pb2.TxnRequest(compare=[is_there], success=[rpc_pb2.RequestOp(request_put=put)])


@pytest.fixture(autouse=True)
def others_overtake_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four transactions that compare the same keys, another writer overtakes three; a busy machine takes seconds."""
    monkeypatch.setattr(contact, "CALL_SECONDS", PATIENCE_S / 2)
    once, tried = EtcdClient.once, Counter[tuple[bytes, ...]]()

    async def overtaken(
        client: EtcdClient, method: Method[Request, Response], request: Request, seconds: float = ATTEMPT_SECONDS
    ) -> Response:
        if isinstance(request, rpc_pb2.TxnRequest) and request.compare:
            keys = tuple(sorted(each.key for each in request.compare))
            tried[keys] += 1
            if tried[keys] % ATTEMPTS:
                for key in keys:
                    await once(client, TRANSACTION, _another_write(key))
        return await once(client, method, request, seconds)

    monkeypatch.setattr(EtcdClient, "once", overtaken)


def test_changes_of_records_that_others_overtake_count_once(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for records in ("EVENT", "CASE", "PLANNED_OUTAGE"):
        monkeypatch.setattr(shares, f"{records}_WRITES", 4 * KIB)

    async def scenario() -> None:
        async with Registered(certificates, tmp_path, etcd).serving() as it:
            await it.apply()
            changes: list[Callable[[int], Awaitable[str]]] = [
                lambda version: tell(it, alarm(1, version=version)),
                lambda version: report(it, case(1, version=version)),
                lambda version: hold(it, window(1, version=version)),
            ]
            taken = [await until_refused(change) for change in changes]
            assert min(taken) >= 6, taken

    run(scenario())


async def grave_problem(it: Federation) -> str:
    """The problem of a grave alarm of sichuan."""
    grave = alarm(1)
    grave.severity = CRITICAL
    assert await tell(it, grave) == ""
    stub = ProblemServiceStub(it.as_("admin/root"))
    while not (found := (await invoke(stub.ListProblems, ListProblemsRequest(), PATIENCE_S)).problems):
        pass
    return found[0].header.id


def test_counts_that_others_overtake_count_once(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "COUNT_WRITES", 32 * KIB)

    async def scenario() -> None:
        async with Registered(certificates, tmp_path, etcd).serving() as it:
            await it.apply()
            name = await grave_problem(it)
            assert await until_refused(lambda customers: count(it, name, customers)) >= 4

    run(scenario())


def test_assignments_that_others_overtake_count_once(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "ASSIGNMENT_WRITES", 8 * KIB)

    async def scenario() -> None:
        sichuan, guangdong = (keys_of(certificates, each) for each in ("sichuan", "guangdong"))
        async with Registered(certificates, tmp_path, etcd).serving() as it:
            await it.apply()
            for each in (sichuan, guangdong):
                await it.join(each)
            assert [await assign(it, given(sichuan, f"+861985100009{each}")) for each in range(3)] == [""] * 3

    run(scenario())
