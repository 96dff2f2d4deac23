"""The audit chains of this coordinator and of the registry that several coordinators share."""

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.registry.port import Registry
from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.auditing import audit
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.chain_heads import REGISTRY, HeadSigner
from gateway.store.port import Store


@dataclass(frozen=True)
class OwnChains:
    """The chains, by name. The embedded registry has no chain of its own: its rows are in the coordinator's."""

    name: str
    """This coordinator, for example `coordinator/0`."""
    store: Store
    shared: Registry | None
    """The registry with a chain of its own; None for the embedded one."""
    signer: HeadSigner

    def names(self) -> Sequence[str]:
        """The names of the chains."""
        return (self.name,) if self.shared is None else (self.name, REGISTRY)

    async def page(self, chain: str, after: int) -> Sequence[AuditRow]:
        """The page of a chain after a row, oldest first. Raises Refused without the registry."""
        if self.shared is not None and chain == REGISTRY:
            return await self.shared.audit_page(after)
        return await self.store.read(lambda tx: audit.page(tx, after))

    async def told(self, request: GetChainHeadsRequest) -> GetChainHeadsResponse:
        """The signed heads of the chains, and the known rows as the chains have them.

        Raises Refused without the registry.
        """
        response = GetChainHeadsResponse()
        for known in request.known:
            if known.chain in self.names() and known.sequence:
                found = await self._head_at(known.chain, known.sequence)
                if found is not None:
                    response.known.append(ChainHead(chain=known.chain, sequence=found.sequence, hash=found.hash))
        for name in self.names():
            response.heads.append(self.signer.signed(name, await self._head(name)))
        return response

    async def _head_at(self, chain: str, sequence: int) -> Head | None:
        """The chain up to a row; None for a missing row."""
        if self.shared is not None and chain == REGISTRY:
            row = next(iter(await self.shared.audit_page(sequence - 1)), None)
            return row.head if row is not None and row.sequence == sequence else None
        return await self.store.read(lambda tx: audit.head_at(tx, sequence))

    async def _head(self, chain: str) -> Head:
        if self.shared is not None and chain == REGISTRY:
            return await self.shared.chain_head()
        return await self.store.read(audit.head)
