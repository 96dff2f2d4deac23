"""A region whose database lacks what others have seen of it: it serves nothing until people accept the loss."""

import asyncio
from pathlib import Path

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from psycopg.conninfo import conninfo_to_dict

from deploy.local.postgresql import LocalPostgresql
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.auditing import audit
from gateway.rpc.channels import health_of
from tests.faults.put_back import Copy
from tests.federation.commands import as_caller, confirmed_by_command, run_command
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.losses import Recovery, end_of, until_head_is_kept
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED
LOST = "SELECT COUNT(*) FROM audit WHERE action = 'DATABASE_BEHIND'"


async def said(federation: Federation, *words: str, language: str = "en") -> str:
    """The output of `region-node recovery`."""
    environment = as_caller(federation, "sichuan", "staff/zhao", language=language)
    ended = await run_command("region_node.cli.main", "recovery", *words, environment=environment)
    assert ended.code == 0, ended.err
    return ended.out + ended.err


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
        await until(recovery.is_fenced, "the region has compared its chain with what the coordinator keeps")
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

        assert "serves nothing until" in await said(federation, "show")
        shown = await said(federation, "show", language="zh")
        assert "不提供任何服务" in shown
        assert str(loss.begin_sequence) in shown
        environment = as_caller(federation, "sichuan", "staff/wang")
        words = ("region_node.cli.main", "recovery", "accept", "1", "INC-2041")
        ended = await run_command(*words, environment=environment)
        await confirmed_by_command(federation, "sichuan", (ended.code, ended.err))
        ended = await run_command(*words, environment=environment)
        assert "accepted" in ended.out, ended.err
        await until(recovery.serves, "the region serves again")
        (accepted,) = (await recovery.found()).losses
        assert accepted.reference == "INC-2041"
        assert accepted.actor.endswith("/staff/wang")
        await guangdong.reaches(waits.id, COMPLETED)
        assert await health(federation, "sichuan") == HealthCheckResponse.SERVING
        with federation.region_settings("sichuan").database.look() as tx:
            audit.verify(audit.rows(tx))
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")
        assert await recovery.serves(), "what was accepted is known"
        assert federation.database("sichuan").rows(LOST) == [(1,)]


@pytest.mark.long("it has a federation of its own, whose database is put back")
async def test_a_loss_that_no_coordinator_was_told_of_is_found_by_the_receipt_of_another_region(
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
        paid = await sichuan.balance(number)
        await federation.stop_node("sichuan")
        restore()
        assert federation.coordinator is not None
        port = federation.coordinator.port
        await federation.coordinator.stop()
        # As if the node had ended before its next heartbeat.
        federation.coordinator_database.change("DELETE FROM audit_heads WHERE region = 'sichuan'")
        await federation.start_coordinator(port)
        await federation.start_node("sichuan")
        recovery = Recovery(federation, "sichuan")
        await recovery.accept()
        (loss,) = (await recovery.found()).losses
        assert loss.witness == "region/guangdong"

        async def is_paid_again() -> bool:
            return await sichuan.balance(number) == paid

        await until(is_paid_again, "the other region has reported the payment")


@pytest.mark.slow
@pytest.mark.several_processes
async def test_all_processes_of_a_region_find_that_their_database_was_put_back_under_them(
    tmp_path: Path, databases: Databases, postgresql_server: LocalPostgresql
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        postgresql = federation.region_settings("sichuan").postgresql
        assert postgresql is not None
        federation.database("sichuan").change("DELETE FROM receipt_questions")  # as `back_up` has it
        copy = Copy(postgresql_server, str(conninfo_to_dict(postgresql.conninfo)["dbname"]))
        await asyncio.to_thread(copy.take)
        for node in ("sichuan", "sichuan/1"):
            await federation.start_node(node)
        balance = await sichuan.balance(number)
        lost = await guangdong.order("PAY", number)
        await guangdong.reaches(lost.id, COMPLETED)
        paid = await sichuan.balance(number)
        assert paid > balance
        await asyncio.to_thread(copy.put_back)

        recoveries = [Recovery(federation, node) for node in ("sichuan", "sichuan/1")]
        for recovery in recoveries:
            await until(recovery.is_fenced, "the process serves nothing")
        assert (await refusal(sichuan.balance(number))).reason == "DATABASE_BEHIND"
        (loss,) = (await recoveries[0].found()).losses
        assert loss.witness.startswith("process/")
        assert loss.commits > 0
        await recoveries[1].accept()
        for recovery in recoveries:
            await until(recovery.serves, "every process serves again")

        async def is_paid_again() -> bool:
            return await sichuan.balance(number) == paid

        await until(is_paid_again, "the other region has reported the payment")
        again = await guangdong.order("PAY", number)
        await guangdong.reaches(again.id, COMPLETED)
        with federation.region_settings("sichuan").database.look() as tx:
            audit.verify(audit.rows(tx))
