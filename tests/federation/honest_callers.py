"""An honest caller beside an attack on a federation whose members are processes: what the attack costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import server_name
from tests.federation.certificates import FEDERATION
from tests.federation.own_processes import OwnProcess
from tests.federation.running import REGIONS, Federation
from tests.hostile.caller import PAUSE, HonestCaller
from tests.hostile.served import Served, beside


@asynccontextmanager
async def beside_an_honest_caller(federation: Federation, server: str) -> AsyncIterator[Served]:
    """An operator system calls a node, or a region the coordinator, before, beside and after what an attacker does."""
    at_node = server in REGIONS
    member = federation.nodes[server] if at_node else federation.coordinator
    path = f"region/{server}/operator/counter" if at_node else "region/sichuan"
    role = (Role.ROLE_REGION, server) if at_node else (Role.ROLE_COORDINATOR, "")
    assert isinstance(member, OwnProcess)
    caller = await asyncio.to_thread(
        HonestCaller,
        "node" if at_node else "coordinator",
        f"127.0.0.1:{member.port}",
        server_name(*role, FEDERATION),
        federation.certificates.credentials(path).certificate.parent,
        member.process.pid,
        federation.directory / "caller.log",
    )
    try:
        await asyncio.to_thread(caller.call, 1)
        async with beside(caller, member.process.pid, PAUSE, PAUSE) as served:
            yield served
    finally:
        await asyncio.to_thread(caller.close)
