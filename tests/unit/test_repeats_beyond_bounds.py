"""Beyond the bound of unknown numbers a request that is done is answered again, and a new one is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TypeVar, cast

import grpc
import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.customer_move_pb2 import MovedLine
from gateway.api.region.v1.customer_move_service_pb2 import StartMoveRequest, StartMoveResponse
from gateway.api.region.v1.erasure_service_pb2 import EraseCustomerRequest, EraseCustomerResponse, ErasureReason
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.store.port import Operation, Store
from gateway.time.clock import Clock
from region_node.approvals.operations import Decision, decide
from region_node.customers.own_readings import OwnReadings
from region_node.customers.rows import insert_line
from region_node.customers.verification.rules import Shown
from region_node.lifecycle.erasure.service import ErasureService
from region_node.lifecycle.moving.service import CustomerMoveService
from region_node.lifecycle.registry import Registry
from region_node.node.unknown_numbers import NumberUnknown
from region_node.requests.auditing import AuditedCall
from region_node.requests.dealings import counted_as, hour_of
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import FEDERATION, LINE

S = TypeVar("S")
T = TypeVar("T")
CLOCK = cast("Clock", SimpleNamespace(now=lambda: NOW))
WANG = Identity("demo.example", Role.ROLE_STAFF, "sichuan", "wang")


@pytest.fixture(name="kept")
def a_region_with_a_customer() -> Iterator[Archive]:
    with archive() as found:
        found.customer()
        insert_line(found.tx, LINE)
        found.registry = Registry(found.context, ())
        yield found


def store_of(kept: Archive) -> Store:
    async def write(operation: Operation[T]) -> T:
        return operation(kept.tx)

    return cast("Store", SimpleNamespace(write=write))


def answer(method: Callable[[S, grpc.aio.ServicerContext[S, T]], Awaitable[T]], request: S) -> object:
    """The answer of a method to a member of staff, or the reason of its refusal."""

    async def called() -> object:
        enter(Call(WANG, "-", None))
        try:
            return await method(request, cast("grpc.aio.ServicerContext[S, T]", None))
        except Refused as refused:
            if refused.reason == Reason.REASON_APPROVAL_AWAITED:
                return refused.parameters["approval"]
            return refused.reason

    return asyncio.run(called())


def name_many_unknown_numbers(kept: Archive) -> None:
    """The member of staff has passed the bound of this hour."""
    dealer = AuditedCall(WANG.path, WANG.name, NOW).dealer
    for _ in range(2000):
        kept.context.unknown_numbers.note(NumberUnknown(counted_as(dealer), hour_of(NOW)))


def dealings(kept: Archive) -> int | None:
    return kept.tx.first(int, "SELECT SUM(lines + failures) FROM dealings")


def test_a_move_that_is_requested_again_beyond_the_bound_is_answered_and_counts_once(kept: Archive) -> None:
    joined = Member(region="guangdong", state=MemberState.MEMBER_STATE_JOINED)
    kept.context.border.current.update(FEDERATION, [joined])
    start = CustomerMoveService(kept.registry, store_of(kept), CLOCK).StartMove
    request = StartMoveRequest(request_id="1", number=LINE.number, to_region="guangdong")
    request.lines.append(MovedLine(number=LINE.number, plan_id="guangdong-79"))
    first = answer(start, request)
    assert isinstance(first, StartMoveResponse)
    name_many_unknown_numbers(kept)
    assert answer(start, request) == first
    assert dealings(kept) == 1
    request.request_id = "2"
    assert answer(start, request) == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY


def test_an_erasure_that_is_requested_again_beyond_the_bound_is_answered_and_counts_no_more(kept: Archive) -> None:
    erase = ErasureService(kept.registry, store_of(kept), CLOCK).EraseCustomer
    reason = ErasureReason.ERASURE_REASON_REQUESTED
    request = EraseCustomerRequest(request_id="1", number=LINE.number, reason=reason)
    decide(kept.tx, str(answer(erase, request)), Decision("zhao", confirmed=True), kept.revocations, NOW)
    first, counted = answer(erase, request), dealings(kept)
    assert isinstance(first, EraseCustomerResponse)
    name_many_unknown_numbers(kept)
    assert answer(erase, request) == first
    assert dealings(kept) == counted
    request.request_id = "2"
    assert answer(erase, request) == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY


def test_a_process_without_a_configuration_reads_its_own_customers_and_counts_nothing(kept: Archive) -> None:
    dealer = AuditedCall(WANG.path, WANG.name, NOW).dealer
    context = replace(kept.context, border=replace(kept.context.border, current=CurrentFederation()))
    readings = OwnReadings(context, store_of(kept))
    assert asyncio.run(readings.write(dealer, Shown("", LINE.number), NOW, lambda tx: "read")) == "read"
    assert kept.tx.all(int, "SELECT 1 FROM dealings") == []
