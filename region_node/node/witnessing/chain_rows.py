"""The heads of the coordinators' audit chains that this region keeps as a witness."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import AuditHead, ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.api.region.v1.audit_service_pb2 import WitnessedHead
from gateway.auditing.audit import GENESIS, Head
from gateway.auditing.audit_heads import Continuation, KeptHead, continuation
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.node.witnessing.contradictions import alarm

CHAINS_AT_ONCE = 8  # of one coordinator: its own, and that of the registry; more are invented
_CHAIN_LENGTH = 64
_UNSIGNED = b""


class ChainRow(NamedTuple):
    """The furthest head of a chain at a coordinator, its time in microseconds, and whether it was contradicted."""

    chain: str
    endpoint: str
    sequence: int
    hash: bytes
    told: int
    contradicted: int

    @property
    def kept(self) -> KeptHead:
        """The head with the time of the answer."""
        return KeptHead(Head(self.sequence, self.hash), _UNSIGNED, from_microseconds(self.told))


_CHAINS = Table("witnessed_chains", ChainRow, key=("chain", "endpoint"))


def known_chains(tx: Transaction, endpoint: str) -> Sequence[ChainHead]:
    """The kept heads of one coordinator."""
    return [
        ChainHead(chain=row.chain, sequence=row.sequence, hash=row.hash)
        for row in _rows(tx)
        if row.endpoint == endpoint
    ]


def witnessed_chains(tx: Transaction) -> Sequence[WitnessedHead]:
    """All heads of chains of the coordinators that this region keeps, by chain and coordinator."""
    return [
        WitnessedHead(
            chain=row.chain,
            endpoint=row.endpoint,
            head=AuditHead(sequence=row.sequence, hash=row.hash),
            time=to_timestamp(row.kept.time),
            contradicted=bool(row.contradicted),
        )
        for row in _rows(tx)
    ]


def keep_chains(
    tx: Transaction, endpoint: str, request: GetChainHeadsRequest, response: GetChainHeadsResponse, now: datetime
) -> None:
    """Stores the answer of one coordinator about its chains, unless it contradicts the kept heads.

    The first contradiction of a chain is a row in this region's own chain and an error in the log. A malformed head is
    left out.
    """
    for told in response.heads[:CHAINS_AT_ONCE]:
        if _is_head(told):
            head = KeptHead(Head(told.sequence, told.hash), _UNSIGNED, now)
            _keep(tx, told.chain, endpoint, head, _lost(told.chain, request, response))


def _lost(chain: str, request: GetChainHeadsRequest, response: GetChainHeadsResponse) -> ChainHead | None:
    """The row that the chain should have, and has not or has otherwise; None where it has the row."""
    asked = next((each for each in request.known if each.chain == chain and each.sequence), None)
    return None if asked is None or asked in response.known else asked


def _keep(tx: Transaction, chain: str, endpoint: str, told: KeptHead, lost: ChainHead | None) -> None:
    before = tx.find(_CHAINS, chain, endpoint)
    found = continuation(before.kept if before is not None else None, told)
    # A row that another process of this region has replaced since the request proves nothing.
    is_lost = lost is not None and before is not None and (lost.sequence, lost.hash) == (before.sequence, before.hash)
    if before is not None and (
        found is Continuation.CONTRADICTING or (is_lost and told.head.sequence >= before.sequence)
    ):
        if not before.contradicted:
            alarm(tx, f"chain/{chain}", before.kept, told, at=endpoint)
            tx.keep(_CHAINS, before._replace(contradicted=1))
    elif found is Continuation.FURTHER:
        tx.keep(_CHAINS, _row(chain, endpoint, told, contradicted=before.contradicted if before is not None else 0))


def _row(chain: str, endpoint: str, kept: KeptHead, *, contradicted: int) -> ChainRow:
    return ChainRow(chain, endpoint, kept.head.sequence, kept.head.hash, to_microseconds(kept.time), contradicted)


def _is_head(told: ChainHead) -> bool:
    is_named = 0 < len(told.chain) <= _CHAIN_LENGTH and told.chain.isprintable()
    return is_named and told.sequence <= LARGEST_SEQUENCE and len(told.hash) == len(GENESIS)


def _rows(tx: Transaction) -> Sequence[ChainRow]:
    columns = ", ".join(_CHAINS.columns)
    return tx.all(ChainRow, f"SELECT {columns} FROM {_CHAINS.name} ORDER BY chain, endpoint")  # noqa: S608 - own names
