"""Fetches the heads of the coordinators' audit chains from each coordinator, once a minute, and keeps them."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.auditing.chain_heads import head_signer
from gateway.errors import Refused
from gateway.security.signing import TrustedKeys
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.node.witnessing.chain_rows import CHAINS_AT_ONCE, keep_chains, known_chains

INTERVAL = 60.0  # seconds between two answers of a coordinator
_log = logging.getLogger(__name__)

KnownChains = Callable[[str], Awaitable[Sequence[ChainHead]]]
"""The kept heads of the coordinator at an endpoint."""
AskCoordinators = Callable[[KnownChains], AsyncIterator[tuple[str, GetChainHeadsRequest, GetChainHeadsResponse]]]
"""Asks every coordinator; gives the endpoint, the request and the answer of each that responds."""


class CoordinatorWitness:
    """A loop of each process of a region."""

    def __init__(
        self, store: Store, keys: TrustedKeys, clock: Clock, source: random.Random, ask: AskCoordinators
    ) -> None:
        self._store = store
        self._keys = keys
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
        """Asks each coordinator once, and keeps its answer. Raises Refused where the store does not respond.

        A head with a signature that counts for nothing is left out. One without any comes from an earlier version.
        """
        async for endpoint, request, response in self._ask(self._known):
            told = response.heads[:CHAINS_AT_ONCE]
            heads = [each for each in told if not each.signature or head_signer(each, self._keys)]
            proven = GetChainHeadsResponse(heads=heads, known=response.known)
            kept = partial(keep_chains, endpoint=endpoint, request=request, response=proven, now=self._clock.now())
            await self._store.write(kept)

    async def _known(self, endpoint: str) -> Sequence[ChainHead]:
        return await self._store.read(lambda tx: known_chains(tx, endpoint))
