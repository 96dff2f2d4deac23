"""A region that an administrator suspended: nothing is routed to it, nothing taken from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.order_envelopes_pb2 import OrderUpdate
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.relay.v1.relay_pb2 import DeliverRequest
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.forger import UPDATE, Forger, bring, not_delivered
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until


@asynccontextmanager
async def henan_suspended(directory: Path, databases: Databases) -> AsyncIterator[Federation]:
    """A federation in which Henan is suspended, and Guangdong's node knows."""
    async with running(directory, databases) as federation:
        await federation.suspend("henan")
        envelope = Forger(federation, "henan").seal("guangdong", UPDATE, OrderUpdate(), "probe")

        async def knows() -> bool:
            result = await bring(federation, envelope, "guangdong")
            return result.not_delivered.reason == Reason.REASON_REGION_SUSPENDED

        await until(knows, "Guangdong knows of the suspension")
        yield federation


@pytest.mark.clause("5.3.4")
async def test_the_coordinator_takes_nothing_from_a_suspended_region_and_sends_nothing_to_it(
    databases: Databases, tmp_path: Path
) -> None:
    async with henan_suspended(tmp_path, databases) as federation:
        for sender, destination in (("henan", "guangdong"), ("guangdong", "henan")):
            relay = RelayServiceStub(federation.dial_coordinator(f"region/{sender}"))
            told = await refusal(relay.Deliver(DeliverRequest(destination=destination), timeout=CALL_SECONDS))
            assert (told.reason, told.parameters["region"]) == ("REGION_SUSPENDED", "henan")
        # Nor do operators of the suspended region learn anything of customers elsewhere.
        billing = BillingServiceStub(federation.dial_node("henan", "region/henan/operator/counter"))
        question = QueryBillRequest(
            number=federation.next_number("guangdong"),
            month=f"{federation.clock.now():%Y-%m}",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[
                Document(
                    code="ID_ORIG",
                    verifier="counter",
                    verify_time=to_timestamp(federation.clock.now()),
                    keyed_hash=bytes(32),
                )
            ],
            requester=REQUESTER,
        )
        assert (await refusal(billing.QueryBill(question, timeout=CALL_SECONDS))).reason == "REGION_SUSPENDED"


async def test_a_node_itself_takes_nothing_of_a_suspended_origin(databases: Databases, tmp_path: Path) -> None:
    async with henan_suspended(tmp_path, databases) as federation:
        envelope = Forger(federation, "henan").seal("guangdong", UPDATE, OrderUpdate(), "henan/counter/R1")
        before = federation.database("guangdong").contents()
        assert not_delivered(await bring(federation, envelope, "guangdong")) == "REGION_SUSPENDED"
        assert federation.database("guangdong").contents() == before


async def test_an_order_for_a_suspended_region_is_held_and_goes_on_when_it_is_reinstated(
    databases: Databases, tmp_path: Path
) -> None:
    async with henan_suspended(tmp_path, databases) as federation:
        guangdong, henan = Counter(federation, "guangdong"), Counter(federation, "henan")
        order = await guangdong.order("SUSPEND", await henan.new_customer())
        assert (order.state, order.error.reason) == (OrderState.ORDER_STATE_HELD, Reason.REASON_REGION_SUSPENDED)
        assert order.awaiting.party == Party.PARTY_FEDERATION
        await federation.reinstate("henan")
        done = await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
        assert not done.HasField("error")


async def test_everybody_sees_who_suspended_a_region_and_why(databases: Databases, tmp_path: Path) -> None:
    async with henan_suspended(tmp_path, databases) as federation:
        member = (await federation.members())["henan"]
        assert member.state == MemberState.MEMBER_STATE_SUSPENDED
        assert member.state_note == "under investigation (by admin/root)"


@pytest.mark.parametrize("region", ["guangdong", "henan"])
async def test_a_suspended_region_still_serves_its_own_customers(
    databases: Databases, tmp_path: Path, region: str
) -> None:
    async with henan_suspended(tmp_path, databases) as federation:
        counter = Counter(federation, region)
        order = await counter.order("SUSPEND", await counter.new_customer())
        assert order.state == OrderState.ORDER_STATE_COMPLETED
