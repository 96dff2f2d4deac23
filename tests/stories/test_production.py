"""The production shape: etcd, PostgreSQL, two coordinators and a region of two processes, while parts of it fail."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest

from deploy.local.federation import FEDERATION, LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import PRODUCTION
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.relay.v1.relay_pb2 import DeliverResult, Envelope
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import from_rpc_error, reason_name
from gateway.security.identity import server_name
from gateway.security.sealing import Route
from tests.crash.outcome import COMPLETED, is_settled, require_one_effect, require_unanswered
from tests.crash.regions import HANDLING, HOME, TwoRegions, order_id_of
from tests.engines import ETCD, POSTGRESQL, require_engine
from tests.sealed_batches import SealedBatch, sealing_key

REGIONS = (HANDLING, HOME, "henan")
PAIR = (f"{HANDLING}-0", f"{HANDLING}-1")
ORDERS = 30
WAIT = 20.0  # seconds that a caller waits for an order's completion
PATIENCE = 60.0
_UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
RECEIVED = "SELECT envelope_id FROM inbox ORDER BY envelope_id"
_AWAY = {"STORE_UNAVAILABLE", "OUTCOME_UNKNOWN", "TOO_BUSY"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Shape(TwoRegions):
    """The federation, and a counter that turns to the other process of its region where one does not answer."""

    def __init__(self, directory: Path) -> None:
        super().__init__(LocalFederation(directory, REGIONS, PRODUCTION))
        stores = self.federation.stores
        assert stores.etcd is not None
        assert stores.postgresql is not None
        self.etcd, self.postgresql = stores.etcd, stores.postgresql

    def build(self) -> None:
        """Starts everything and takes over the home region's customers."""
        self.federation.prepare()
        self.start()
        self.open_counters(*(replica.endpoint for replica in self.federation.nodes[HANDLING]))

    def insist(self, request: SubmitOrderRequest, at: int = 0) -> Order:
        """Submits as an operator system does that was not answered: the same request again, to the other process."""
        answers: list[Order] = []

        def is_taken() -> bool:
            answer = self.start_submit(request, at=(at + len(failures)) % 2)
            failure = answer.exception()
            if failure is None:
                answers.append(answer.result())
                return True
            assert is_worth_another_try(failure), failure
            failures.append(failure)
            return False

        failures: list[BaseException] = []
        wait_until(is_taken, PATIENCE, f"{order_id_of(request)} is taken")
        return answers[0]

    def mend(self) -> None:
        """Starts what does not run, and returns when everything works: each process takes an order that gets home."""
        for process in self.federation.processes.values():
            process.thaw()
        self.etcd.start()
        if not self.postgresql.runs():
            self.postgresql.start()
        for process in self.federation.processes.values():
            if not process.runs():
                process.start()
        self.run(self.federation.wait_joined(REGIONS))
        for at in range(len(PAIR)):
            request = self.pay()
            self.insist(request, at)
            wait_until(lambda: is_settled(self, order_id_of(request)), PATIENCE, "an order is done")  # noqa: B023 - called at once

    def kill(self, name: str) -> None:
        """Kills a process that runs."""
        process = self.federation.processes[name]
        assert process.runs()
        process.kill()

    def coordinator_command(self, number: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`coordinator …` as the administrator, at the coordinator of that number."""
        environment = {
            "CROSSREGION_COORDINATOR": self.federation.coordinators[number].endpoint,
            "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / "admin"),
            "CROSSREGION_FEDERATION": FEDERATION,
        }
        command = [sys.executable, "-m", "coordinator.cli.main", *arguments]
        return subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    def relay_of(self, number: int) -> RelayServiceStub:
        """A coordinator, as the origin region's node reaches it, with more patience than that has."""
        name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        return RelayServiceStub(self._dial(PAIR[0], self.federation.coordinators[number].endpoint, name))

    def start_deliver(self, relay: RelayServiceStub, envelope: Envelope) -> "Future[list[DeliverResult]]":
        """Brings an envelope for the home region."""
        sealed_batch = SealedBatch(Route(HANDLING, HOME), sealing_key(self.federation.keys_file(HOME)), envelope)
        return self.background.start(_deliver(relay, sealed_batch))


async def _deliver(relay: RelayServiceStub, sealed_batch: SealedBatch) -> list[DeliverResult]:
    return sealed_batch.opened(await relay.Deliver(sealed_batch.request, timeout=PATIENCE))


def is_worth_another_try(failure: BaseException) -> bool:
    """Whether a caller may send the same request again: nobody answered, or the store was away."""
    if not isinstance(failure, grpc.aio.AioRpcError):
        return False
    refused = from_rpc_error(failure)
    if refused is not None:
        return reason_name(refused.reason) in _AWAY
    return failure.code() in _UNANSWERED


@pytest.fixture(scope="module")
def running_shape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shape]:
    """The processes."""
    for engine in (ETCD, POSTGRESQL):
        require_engine(engine)
    shape = Shape(tmp_path_factory.mktemp("production"))
    try:
        shape.build()
        yield shape
    finally:
        shape.close()


@pytest.fixture
def shape(running_shape: Shape) -> Iterator[Shape]:
    """The processes, all of them well; after the test they are made well again."""
    yield running_shape
    running_shape.mend()


def require_all_once(shape: Shape, requests: Sequence[SubmitOrderRequest]) -> None:
    for request in requests:
        require_one_effect(shape, request)


def test_both_processes_of_a_region_take_orders_and_each_knows_those_of_the_other(shape: Shape) -> None:
    requests = [shape.pay(), shape.suspend()]
    for at, request in enumerate(requests):
        assert shape.submit(request, WAIT, at).state == COMPLETED
        assert shape.submit(request, WAIT, 1 - at) == shape.get(order_id_of(request), 1 - at)
    require_all_once(shape, requests)


def test_a_caller_at_one_process_waits_for_what_the_other_one_receives(shape: Shape) -> None:
    request = shape.pay()
    calls = [shape.start_submit(request, WAIT, at) for at in (0, 1, 0, 1)]
    assert [call.result() for call in calls] == [require_one_effect(shape, request)] * len(calls)


def test_a_process_that_is_killed_with_orders_on_their_way_is_replaced_by_the_other_one_of_its_region(
    shape: Shape,
) -> None:
    home = shape.federation.processes[HOME]
    home.freeze()
    requests = [shape.request(business) for business in ("PAY", "SUSPEND") * (ORDERS // 2)]
    for call in [shape.start_submit(request) for request in requests]:
        assert call.result().state == OrderState.ORDER_STATE_ACKNOWLEDGED
    waiting = shape.start_submit(requests[0], WAIT)
    assert all(shape.handling.open_envelopes(order_id_of(request)) for request in requests)
    shape.kill(PAIR[0])
    home.thaw()
    require_unanswered(waiting)
    assert shape.insist(requests[0], at=1).id == order_id_of(requests[0])
    wait_until(
        lambda: all(is_settled(shape, order_id_of(request)) for request in requests), PATIENCE, "all orders are done"
    )
    assert not shape.federation.processes[PAIR[0]].runs()
    shape.federation.processes[PAIR[0]].start()
    require_all_once(shape, requests)


def test_orders_go_on_where_they_were_when_postgresql_is_back_after_a_kill(shape: Shape) -> None:
    requests = [shape.pay() for _ in range(ORDERS)]
    calls = [shape.start_submit(request, at=number % 2) for number, request in enumerate(requests)]
    wait_until(lambda: any(call.done() for call in calls), PATIENCE, "orders are in full flow")
    shape.postgresql.kill()
    shape.postgresql.start()
    for call in calls:
        failure = call.exception()
        assert failure is None or is_worth_another_try(failure), failure
    for request in requests:
        shape.insist(request)
    require_all_once(shape, requests)


def require_routes(shape: Shape, number: int, request: SubmitOrderRequest) -> None:
    """A coordinator routes to the home region: a repeated envelope brings the receipt that is known."""
    order_id = order_id_of(request)
    answer = shape.start_deliver(shape.relay_of(number), shape.handling.envelope(order_id)).result()
    assert [result.receipt for result in answer] == [shape.home.receipt_given(order_id)]


def test_orders_take_the_way_over_the_other_coordinator_while_one_is_dead(shape: Shape) -> None:
    for number in (0, 1):
        name = shape.federation.coordinators[number].name
        requests = [shape.pay() for _ in range(ORDERS)]
        calls = [shape.start_submit(request, WAIT, at=at % 2) for at, request in enumerate(requests)]
        shape.kill(name)
        assert [call.result().state for call in calls] == [COMPLETED] * ORDERS
        assert not shape.federation.processes[name].runs()
        shape.federation.processes[name].start()
        require_routes(shape, number, requests[0])
        require_all_once(shape, requests)


def test_without_the_leader_of_etcd_orders_are_routed_and_a_region_can_be_suspended(shape: Shape) -> None:
    requests = [shape.pay() for _ in range(ORDERS)]
    leader = shape.etcd.leader()
    calls = [shape.start_submit(request, WAIT) for request in requests]
    shape.etcd.kill_member(leader)
    assert [call.result().state for call in calls] == [COMPLETED] * ORDERS

    def done(*command: str) -> bool:
        return shape.coordinator_command(1, "regions", *command).returncode == 0

    # What is asked while a new leader is elected may be refused with REGISTRY_UNAVAILABLE.
    key = ("--key", str(shape.federation.administrator.key))
    wait_until(lambda: done("suspend", "henan", "--note", "for a test", *key), PATIENCE, "henan is suspended")
    wait_until(lambda: done("reinstate", "henan", *key), PATIENCE, "henan is reinstated")
    require_all_once(shape, requests)


def test_a_coordinator_that_was_frozen_while_a_region_was_suspended_brings_it_nothing_when_it_wakes(
    shape: Shape,
) -> None:
    sent = shape.pay()
    assert shape.submit(sent, WAIT).state == COMPLETED
    envelope = shape.handling.envelope(order_id_of(sent))
    relay = shape.relay_of(0)
    require_routes(shape, 0, sent)
    # Its connection must stand before the coordinator is frozen.
    shape.start_deliver(relay, envelope).result()
    frozen = shape.federation.processes[shape.federation.coordinators[0].name]
    frozen.freeze()
    asleep = [shape.start_deliver(relay, envelope) for _ in range(3)]
    key = str(shape.federation.administrator.key)
    suspended = ("regions", "suspend", HOME, "--note", "for a test", "--key", key)
    wait_until(lambda: shape.coordinator_command(1, *suspended).returncode == 0, PATIENCE, "it is suspended")
    received = shape.home.column(RECEIVED)
    requests = [shape.pay() for _ in range(4)]
    for at, request in enumerate(requests):
        shape.insist(request, at % 2)
    frozen.thaw()
    for call in asleep:
        failure = call.exception()
        assert isinstance(failure, grpc.aio.AioRpcError), call.result()
        refused = from_rpc_error(failure)
        assert refused is not None, failure
        assert reason_name(refused.reason) in ("REGION_SUSPENDED", "REGISTRY_UNAVAILABLE")
    wait_until(
        lambda: "SUSPENDED" in shape.coordinator_command(0, "regions", "list", "--json").stdout, PATIENCE, "seen"
    )
    assert shape.home.column(RECEIVED) == received
    assert not any(is_settled(shape, order_id_of(request)) for request in requests)
    assert shape.coordinator_command(0, "regions", "reinstate", HOME, "--key", key).returncode == 0
    require_all_once(shape, requests)
