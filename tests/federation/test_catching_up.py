"""A region whose database lost its newest part: what other regions have exchanged with it since is done again."""

from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.losses import Recovery
from tests.federation.running import Federation, running, until
from tests.federation.test_lost_database import until_head_is_kept

COMPLETED = OrderState.ORDER_STATE_COMPLETED


async def put_back(federation: Federation, region: str, restore: "object") -> Recovery:
    """An older database of a region takes the place of its own, and people accept that."""
    await until_head_is_kept(federation, region)
    await federation.stop_node(region)
    restore()  # type: ignore[operator]
    await federation.start_node(region)
    recovery = Recovery(federation, region)
    await recovery.accept()
    return recovery


async def until_caught_up(federation: Federation, region: str, count: int) -> None:
    """Returns once so many regions have told all that the database of a region lacks."""

    async def is_caught_up() -> bool:
        database = federation.database(region)
        return len(database.rows("SELECT region FROM catch_ups WHERE finish_time IS NOT NULL")) == count

    await until(is_caught_up, "the others have told everything")


@pytest.mark.long("it has a federation of its own, whose database is put back")
async def test_a_home_region_does_again_what_others_had_sent_since_its_older_database(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        await federation.stop_node("sichuan")
        restore = federation.back_up("sichuan")
        await federation.start_node("sichuan")
        paid = await guangdong.order("PAY", number)
        suspended = await guangdong.order("SUSPEND", number)
        for each in (paid, suspended):
            await guangdong.reaches(each.id, COMPLETED)
        balance = await sichuan.balance(number)
        recovery = await put_back(federation, "sichuan", restore)
        await until_caught_up(federation, "sichuan", 1)

        assert await sichuan.balance(number) == balance
        assert await sichuan.read(number) == await sichuan.read(number)
        own = federation.database("sichuan")
        assert own.rows("SELECT envelope_id, problem FROM lost_commands") == []
        later = await guangdong.order("PAY", number)
        await guangdong.reaches(later.id, COMPLETED)
        assert await recovery.serves()
        for each in ("guangdong", "sichuan"):
            waiting = federation.database(each).rows(
                "SELECT envelope_id, not_taken FROM outbox WHERE closed IS NULL AND not_taken <> 0"
            )
            assert waiting == []
