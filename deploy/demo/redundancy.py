"""A process of each kind is killed during business: nothing is lost, and little is noticed."""

import asyncio
from collections.abc import Awaitable, Callable

from deploy.demo import wording
from deploy.demo.commands import coordinator_command
from deploy.demo.world import World
from deploy.local import directory
from deploy.local.etcd import LocalEtcd
from deploy.local.postgresql import LocalPostgresql
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.errors import Refused, is_temporary
from gateway.values.money import in_major_units

_AMOUNT = 1_000  # minor units, paid during each outage
_PATIENCE = 30.0  # seconds until a request that should be taken is missed
_LOOK_AGAIN = 0.2  # seconds before the same request again
_SHORT = 1.0  # seconds of the clerk's wait for Sichuan in a call that only shows the state


async def one_of_each(world: World) -> None:
    """An etcd member, a coordinator, a process of a region and the database server, one after the other."""
    world.stage.chapter(
        "One of each kind is killed",
        "kill -9 of the leader in etcd, of a coordinator, of one of Guangdong's two processes, and of PostgreSQL. A"
        " customer pays during each outage.",
    )
    number = world.people.traveller.product.number
    before = (await world.home.customer(number)).billing_account.balance
    etcd, postgresql = world.federation.stores.etcd, world.federation.stores.postgresql
    if etcd is None or postgresql is None:
        raise ValueError(f"the profile {world.federation.profile.name} has neither etcd nor PostgreSQL")
    await _etcd_leader(world, etcd)
    await _coordinator(world)
    await _process(world)
    await _database(world, postgresql)
    after = (await world.home.customer(number)).billing_account.balance
    world.stage.check(
        "credited at home, four payments in all",
        in_major_units(4 * _AMOUNT, before.currency),
        in_major_units(after.minor_units - before.minor_units, after.currency),
        "each once",
    )
    await coordinator_command(world, "regions", "list")
    directory.note_processes(world.federation)


async def _etcd_leader(world: World, etcd: LocalEtcd) -> None:
    leader = await asyncio.to_thread(etcd.leader)
    world.stage.say(f"$ kill -9 {etcd.pid(leader)}   # the leader in etcd")
    await asyncio.to_thread(etcd.kill_member, leader)
    await _paid(world, "pay-etcd", "paid without the leader in etcd")
    await asyncio.to_thread(etcd.start_member, leader)
    world.stage.say(f"it starts again, process {etcd.pid(leader)}; another member leads meanwhile")


async def _coordinator(world: World) -> None:
    replica = world.federation.coordinators[0]
    world.stage.say(f"$ kill -9 {replica.process.pid}   # {replica.name}")
    await asyncio.to_thread(replica.process.kill)
    await _paid(world, "pay-coordinator", f"paid without {replica.name}")
    await asyncio.to_thread(replica.process.start)
    world.stage.say(f"it starts again, process {replica.process.pid}")


async def _process(world: World) -> None:
    replica = world.federation.nodes["guangdong"][0]
    world.stage.say(f"$ kill -9 {replica.process.pid}   # {replica.name}")
    await asyncio.to_thread(replica.process.kill)
    await _paid(world, "pay-process", f"paid without {replica.name}")
    await asyncio.to_thread(replica.process.start)
    world.stage.say(f"it starts again, process {replica.process.pid}, on the database that both share")


async def _database(world: World, postgresql: LocalPostgresql) -> None:
    """Without its database a region refuses orders with a reason; the same request later is the one order."""
    world.stage.say(f"$ kill -9 {postgresql.pid}   # PostgreSQL, and with it all its connections")
    await asyncio.to_thread(postgresql.kill)
    request = world.here.request(
        "pay-database", "PAY", world.people.traveller.product.number, _amount(), papers=(), wait=_SHORT
    )
    refused = await wording.outcome(world.here.submit(request))
    world.stage.check(
        "a payment without the database", "UNAVAILABLE STORE_UNAVAILABLE", refused.seen, "nothing is kept"
    )
    world.stage.told("the clerk reads", refused.told)
    await asyncio.to_thread(postgresql.start)
    world.stage.say(f"it starts again, process {postgresql.pid}; the nodes find it by themselves")
    await _paid(world, "pay-database", "the same request again")


async def _paid(world: World, request_id: str, step: str) -> None:
    """A payment goes through to Sichuan and back."""
    here = world.here
    request = here.request(request_id, "PAY", world.people.traveller.product.number, _amount(), papers=())
    begin = asyncio.get_running_loop().time()
    order = await _until_accepted(lambda: here.submit(request))
    if order.state != OrderState.ORDER_STATE_COMPLETED:
        order = await here.until(order.id, lambda seen: seen.state == OrderState.ORDER_STATE_COMPLETED)
    world.orders.append(order.id)
    spent = asyncio.get_running_loop().time() - begin
    world.stage.check(step, "completed", wording.state(order), f"{spent:.1f} s")


async def _until_accepted(submit: Callable[[], Awaitable[Order]]) -> Order:
    """Repeats the same request until it is accepted: the obstacle ends soon. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                return await submit()
            except Refused as refused:
                if not is_temporary(refused.reason):
                    raise
            await asyncio.sleep(_LOOK_AGAIN)


def _amount() -> dict[str, str]:
    return {"amount": str(_AMOUNT)}
