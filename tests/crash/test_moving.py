"""A customer who moves has exactly one home, whoever is killed at the five worst steps of the move."""

import re
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1 import customer_move_service_pb2 as api
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MovedLine
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, VerifyRequest
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from region_node.customers.status import ACTIVE, MOVED, MOVING
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import find_move
from tests.crash.records import Records
from tests.crash.regions import AMOUNT, CALL_SECONDS, CLERK, HANDLING, HOME, account_of, number_of
from tests.crash.scene import Scene

pytestmark = pytest.mark.slow

INDEX = 960  # of a customer of no order in these tests
NUMBER, VERIFICATION = number_of(INDEX), "move-code"
STATUSES = "SELECT status FROM customers WHERE customer_id = ?"
BALANCE = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = ?"


class Mover:
    """The counter of the old home, where a customer asks for the move."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.move_id = ""

    @property
    def owners(self) -> list[str]:
        """The regions that have the customer as their own."""
        ids = {HOME: f"customer-{INDEX}", HANDLING: rules.ids_at_new_home(self.move_id)}
        return [
            region for region, name in ids.items() if self._scene.records(region).column(STATUSES, name) == [ACTIVE]
        ]

    def status_at_home(self) -> object:
        """The status of the customer at the old home."""
        return self._scene.home.column(STATUSES, f"customer-{INDEX}")[0]

    def has_moved(self, records: Records) -> bool:
        """Whether a region has the move as ended, and named by the number plan."""
        with records.database.look() as tx:
            move = find_move(tx, self.move_id)
        return move is not None and move.state in (rules.MOVED, rules.TAKEN_OVER) and move.is_planned

    async def start(self) -> CustomerMove:
        """Asks for the move."""
        lines = [MovedLine(number=NUMBER, plan_id="guangdong-39")]
        request = api.StartMoveRequest(
            request_id="moving", number=NUMBER, to_region=HANDLING, lines=lines, requester=CLERK
        )
        async with self._dial() as channel:
            node = CustomerMoveServiceStub(channel)
            move = (await node.StartMove(request, timeout=CALL_SECONDS, wait_for_ready=True)).move
        self.move_id = move.id
        return move

    async def prove(self) -> api.ConfirmMoveRequest:
        """The confirmation, with the code that the customer has got."""
        send = SendCodeRequest(request_id=VERIFICATION, number=NUMBER, requester=CLERK)
        async with self._dial() as channel:
            node = VerificationServiceStub(channel)
            await node.SendCode(send, timeout=CALL_SECONDS, wait_for_ready=True)
            found = re.search(r"\d{6}", self._scene.federation.phones(HOME).texts(NUMBER)[-1].en)
            assert found is not None, "a text has a code"
            verify = VerifyRequest(request_id=VERIFICATION, number=NUMBER, code=found.group(), requester=CLERK)
            documents = (await node.Verify(verify, timeout=CALL_SECONDS)).documents
        return api.ConfirmMoveRequest(
            verification_id=VERIFICATION, move_id=self.move_id, number=NUMBER, documents=documents, requester=CLERK
        )

    async def confirm(self, request: api.ConfirmMoveRequest) -> CustomerMove:
        """Confirms the move."""
        async with self._dial() as channel:
            node = CustomerMoveServiceStub(channel)
            return (await node.ConfirmMove(request, timeout=CALL_SECONDS, wait_for_ready=True)).move

    def _dial(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        return self._scene.federation.dial_region(HOME, f"{HOME}-{OPERATOR}")


def test_a_customer_has_exactly_one_home_whoever_is_killed_at_the_worst_steps_of_a_move(scene: Scene) -> None:
    mover = Mover(scene)
    before = scene.home.count(BALANCE, account_of(NUMBER))
    scene.run(mover.start())
    confirmation = scene.run(mover.prove())

    scene.arm(HOME, "move-confirmed.before-commit")
    _is_cut(scene, HOME, mover.confirm(confirmation))
    assert (mover.status_at_home(), mover.owners) == (ACTIVE, [HOME])

    scene.arm(HANDLING, "customer-taken-over.before-commit")
    scene.arm(HOME, "customer-handed-over.before-commit")  # in the very transaction of the new home's receipt
    scene.run(mover.confirm(confirmation))
    scene.require_killed(HANDLING)
    assert (mover.status_at_home(), mover.owners) == (MOVING, [])
    (coordinator,) = [each.name for each in scene.federation.coordinators]
    scene.restart(HANDLING)
    scene.require_killed(HOME)
    assert (mover.status_at_home(), mover.owners) == (MOVING, [HANDLING])

    scene.arm(coordinator, "number-assigned.after-commit")
    scene.arm(HOME, "move-planned.before-commit")
    scene.require_killed(coordinator)
    assert (mover.status_at_home(), mover.owners) == (MOVED, [HANDLING])
    scene.restart(coordinator)
    scene.require_killed(HOME)
    scene.restart(HOME)

    for records in (scene.handling, scene.home):
        wait_until(lambda at=records: mover.has_moved(at), CALL_SECONDS, "both homes know the plan")  # type: ignore[misc]
        records.verify_chain()
    assert (mover.status_at_home(), mover.owners) == (MOVED, [HANDLING])
    account = f"account-{rules.ids_at_new_home(mover.move_id)}-0"
    moved = scene.handling.count(BALANCE, account)
    assert scene.home.count(BALANCE, account_of(NUMBER)) == 0, "nothing is left in the closed account"
    assert scene.home.count(BALANCE, f"payable/{HANDLING}") == moved <= before
    assert scene.handling.count(BALANCE, f"receivable/{HOME}") == -moved

    paid = scene.pay()
    paid.order.number = NUMBER
    order = scene.submit(paid, wait=CALL_SECONDS / 2)
    assert (order.state, order.home_region) == (OrderState.ORDER_STATE_COMPLETED, HANDLING)
    assert scene.handling.count(BALANCE, account) == moved + AMOUNT


def _is_cut(scene: Scene, region: str, call: Coroutine[Any, Any, object]) -> None:
    """A call ends without an answer, as its node dies."""
    waiting = scene.background.start(call)
    scene.require_killed(region)
    with pytest.raises(grpc.aio.AioRpcError):
        waiting.result()
