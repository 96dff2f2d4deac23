"""The chains that contradict what this region keeps as their witness, and its own where a witness says so."""

import asyncio
import logging
from collections.abc import Mapping

from opentelemetry.metrics import Meter

from gateway.auditing.metrics import observe_broken
from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from region_node.node.witnessing.chain_rows import witnessed_chains
from region_node.node.witnessing.rows import known_witnesses
from region_node.node.witnessing.witness import witnessed_heads

LOOK = 30.0  # seconds between two looks, as between two statements to a witness
_log = logging.getLogger(__name__)


class BrokenChains:
    """A loop of each process of a region: every process shows them, whichever has heard of them."""

    def __init__(self, store: Store, region: str, meter: Meter) -> None:
        """Registers the metric."""
        self._store = store
        self._region = region
        self._chains: Mapping[str, bool] = {}
        observe_broken(meter, lambda: self._chains)

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last look stays."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("broken chains are looked at again soon: %s", refused)
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Looks once. Raises Refused where the store does not respond."""
        self._chains = await self._store.read(lambda tx: broken_chains(tx, self._region))


def broken_chains(tx: Transaction, region: str) -> Mapping[str, bool]:
    """Whether each chain was contradicted: those of which this region keeps heads, and its own."""
    found = {f"region/{region}": any(each.contradicted for each in known_witnesses(tx))}
    for each in (*witnessed_heads(tx), *witnessed_chains(tx)):  # a chain of the coordinators by each of them
        name = f"chain/{each.chain}" if each.chain else f"region/{each.region}"
        found[name] = found.get(name, False) or each.contradicted
    return found
