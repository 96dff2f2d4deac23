"""The fence of a region's process, in runs in which its database may lack what others have seen of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.errors import Refused, Unreachable
from gateway.process.starting import persistently
from gateway.relay.queries import Asker
from gateway.security.region_keys import RegionKeys
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.store.port import Transaction
from region_node.app.core import RegionCore
from region_node.app.registered import COUNTED
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.recovery.keeper import FenceKeeper, KeeperPorts
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.receipts import ReceiptComparison, ReceiptPorts
from region_node.node.membership.statements import SignedStatements
from tests.simulation.disk import SimulatedStore
from tests.simulation.virtual_time import Process

HEAD_SECONDS = 2.0  # between two heads that a process tells: a heartbeat


class KeptHeads(Protocol):
    """The heads of a region's audit chain at the coordinators. Each raises Refused and Unreachable."""

    async def tell_head(self, head: AuditHead) -> None:
        """Tells the end of the chain, as a heartbeat does."""
        ...

    def audit_heads(self) -> AsyncIterator[AuditHead | None]:
        """The heads that are kept, one for each coordinator that answers; None where it keeps none."""
        ...


@dataclass(frozen=True)
class FencedParts:
    """The parts of a process that look after its fence. `store` is the one behind it."""

    core: RegionCore
    asker: Asker
    store: SimulatedStore
    fence: FencedStore
    restored: RestoredCustomers
    keys: RegionKeys
    heads: KeptHeads
    join: Callable[[], None]
    """From here on coordinators bring it envelopes: they know where it is by its first heartbeat."""


async def keep_fence(process: Process, parts: FencedParts) -> None:
    """Looks for losses of the database, from now on; returns once the region may serve."""
    core, border = parts.core, parts.core.context.border
    opens = core.lanes.begin_anew, parts.restored.check_again, core.take_up_again
    finding = Finding(border.region, COUNTED)
    keeper = FenceKeeper(
        KeeperPorts(border, parts.store, parts.fence, border.clock, finding, parts.heads.audit_heads, *opens)
    )
    await persistently(keeper.start)
    receipts = ReceiptComparison(ReceiptPorts(border, parts.store, parts.asker, border.clock, keeper, lambda: True))
    await persistently(receipts.keep_questions)
    process.spawn(keeper.run())
    process.spawn(_tell_heads(keeper, parts))
    process.spawn(receipts.run())
    await keeper.opened()


async def _tell_heads(keeper: FenceKeeper, parts: FencedParts) -> None:
    """Tells the coordinators the end of the chain, for ever; none of a database with an open loss."""
    await keeper.compare_before_joining()
    parts.join()
    statements = SignedStatements(parts.core.context.border.signer, parts.keys)
    while True:
        head = await parts.store.read(_head)
        if head is not None and not parts.store.lost_commits:
            with contextlib.suppress(Refused, Unreachable):
                await parts.heads.tell_head(statements.audit_head(head))
        await asyncio.sleep(HEAD_SECONDS)


def _head(tx: Transaction) -> Head | None:
    return None if losses.has_open(tx) else audit.head(tx)
