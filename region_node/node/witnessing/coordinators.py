"""Fetches the heads of the coordinators' audit chains from each coordinator, once a minute, and keeps them."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.errors import Refused
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.node.witnessing.chain_rows import keep_chains, known_chains

INTERVAL = 60.0  # seconds between two answers of a coordinator
_log = logging.getLogger(__name__)

KnownChains = Callable[[str], Awaitable[Sequence[ChainHead]]]
"""The kept heads of the coordinator at an endpoint."""
AskCoordinators = Callable[[KnownChains], AsyncIterator[tuple[str, GetChainHeadsRequest, GetChainHeadsResponse]]]
"""Asks every coordinator; gives the endpoint, the request and the answer of each that responds."""


class CoordinatorWitness:
    """A loop of each process of a region."""

    def __init__(self, store: Store, clock: Clock, source: random.Random, ask: AskCoordinators) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._ask = ask

    async def run(self) -> None:
        """Runs until cancelled. Without an answer, the next minute has another try."""
        while True:
            try:
                await self.witness()
            except Refused as refused:
                _log.info("the heads of the coordinators' chains are not kept: %s", refused)
            await asyncio.sleep(self._source.uniform(INTERVAL / 2, INTERVAL))

    async def witness(self) -> None:
        """Asks each coordinator once, and keeps its answer. Raises Refused where the store does not respond."""
        async for endpoint, request, response in self._ask(self._known):
            kept = partial(keep_chains, endpoint=endpoint, request=request, response=response, now=self._clock.now())
            await self._store.write(kept)

    async def _known(self, endpoint: str) -> Sequence[ChainHead]:
        return await self._store.read(lambda tx: known_chains(tx, endpoint))
