"""A region whose database lacks what others have seen of it: it serves nothing until people accept the loss."""

from pathlib import Path

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.auditing import audit
from gateway.rpc.channels import health_of
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.losses import Recovery
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED
LOST = "SELECT COUNT(*) FROM audit WHERE action = 'DATABASE_BEHIND'"


def end_of(federation: Federation, region: str) -> int:
    """The last row of a region's audit chain."""
    with federation.region_settings(region).database.look() as tx:
        return audit.head(tx).sequence


async def until_head_is_kept(federation: Federation, region: str) -> None:
    """Returns once the coordinator has the end of a region's chain as it is now."""
    end = end_of(federation, region)

    async def is_kept() -> bool:
        return bool(federation.coordinator_database.rows(f"SELECT 1 FROM audit_heads WHERE sequence >= {end}"))

    await until(is_kept, "the coordinator keeps the head")


async def health(federation: Federation, node: str) -> int:
    """What the health service of a node says."""
    channel = federation.dial_node(node, f"region/{node}/operator/counter")
    return (await health_of(channel, "", CALL_SECONDS)).status


@pytest.mark.long("it has a federation of its own, whose database is put back")
async def test_a_region_whose_database_lacks_what_others_saw_serves_nothing_until_people_accept_it(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        restore = federation.back_up("sichuan")
        await federation.start_node("sichuan")
        lost = await guangdong.order("PAY", number)
        await guangdong.reaches(lost.id, COMPLETED)
        await until_head_is_kept(federation, "sichuan")
        await federation.stop_node("sichuan")
        seen = end_of(federation, "sichuan")
        restore()
        left = end_of(federation, "sichuan")

        await federation.start_node("sichuan")
        recovery = Recovery(federation, "sichuan")
        for call in (sichuan.read(number), sichuan.balance(number), sichuan.order("PAY", number)):
            assert (await refusal(call)).reason == "DATABASE_BEHIND"
        assert await health(federation, "sichuan") == HealthCheckResponse.NOT_SERVING
        found = await recovery.found()
        assert not found.serving
        (loss,) = found.losses
        assert (loss.witness, loss.last_sequence) == ("coordinator", left)
        assert left < loss.seen_sequence <= seen < loss.begin_sequence
        waits = await guangdong.submit(guangdong.request("PAY", number), wait=0)
        assert waits.state != COMPLETED, "the lane offers it again"

        accepted = await recovery.accept()
        assert accepted.reference == "INC-2041"
        assert accepted.actor.endswith("/staff/zhao")
        await guangdong.reaches(waits.id, COMPLETED)
        assert await health(federation, "sichuan") == HealthCheckResponse.SERVING
        with federation.region_settings("sichuan").database.look() as tx:
            audit.verify(audit.rows(tx))
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")
        assert await recovery.serves(), "what was accepted is known"
        assert federation.database("sichuan").rows(LOST) == [(1,)]
