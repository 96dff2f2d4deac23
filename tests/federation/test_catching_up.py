"""A region whose database lost its newest part: what other regions have exchanged with it since is done again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.losses import Recovery, until_head_is_kept
from tests.federation.running import Federation, running, until

COMPLETED = OrderState.ORDER_STATE_COMPLETED
LOST = "SELECT envelope_id, failure FROM lost_commands ORDER BY envelope_id"
NOT_TAKEN = "SELECT envelope_id, not_taken FROM outbox WHERE closed IS NULL AND not_taken <> 0"


async def back_up(federation: Federation, region: str) -> Callable[[], None]:
    """Copies the database of a region; what is returned puts the copy back in its place."""
    await federation.stop_node(region)
    restore = federation.back_up(region)
    await federation.start_node(region)
    return restore


async def put_back(federation: Federation, region: str, restore: Callable[[], None]) -> None:
    """An older database of a region takes the place of its own, people accept that, and the others tell the rest."""
    await until_head_is_kept(federation, region)
    await federation.stop_node(region)
    restore()
    await federation.start_node(region)
    await Recovery(federation, region).accept()

    async def is_caught_up() -> bool:
        return bool(federation.database(region).rows("SELECT 1 FROM catch_ups WHERE finish_time IS NOT NULL"))

    await until(is_caught_up, "the other region has told everything")


@pytest.mark.long("it has a federation of its own, whose databases are put back")
async def test_a_region_does_again_what_another_one_had_exchanged_with_it_since_its_older_database(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        restore = await back_up(federation, "sichuan")
        for business in ("PAY", "SUSPEND"):
            await guangdong.reaches((await guangdong.order(business, number)).id, COMPLETED)
        customer = await sichuan.read(number)
        await put_back(federation, "sichuan", restore)
        assert await sichuan.read(number) == customer, "the home region has taken both once more"
        assert federation.database("sichuan").rows(LOST) == []

        restore = await back_up(federation, "guangdong")
        request, request_id = guangdong.request("PAY", number), federation.next_id()
        paid = await guangdong.submit(request, request_id=request_id)
        await guangdong.reaches(paid.id, COMPLETED)
        complainant = Complainant(federation, "guangdong")
        ticket = await complainant.file("BILL_WRONG", number)
        balance = await sichuan.balance(number)
        await put_back(federation, "guangdong", restore)
        await guangdong.reaches(paid.id, COMPLETED)
        again = await guangdong.submit(request, request_id=request_id)
        assert again.id == paid.id, "the operator repeats its request"
        assert await sichuan.balance(number) == balance
        assert (await complainant.get(ticket.ticket_id)).owner_region == ticket.owner_region
        assert federation.database("guangdong").rows(LOST) == []
        later = await guangdong.order("RESUME", number)
        await guangdong.reaches(later.id, COMPLETED)

        async def is_all_taken() -> bool:
            return not any(federation.database(each).rows(NOT_TAKEN) for each in ("guangdong", "sichuan"))

        await until(is_all_taken, "no command waits that a region has not taken")
