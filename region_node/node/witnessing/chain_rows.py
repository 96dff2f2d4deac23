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
    """The furthest head of a chain at a coordinator, its time in microseconds, and whether it was contradicted.

    `signed` is the last head with the coordinator's signature, as ChainHead; None for none.
    """

    chain: str
    endpoint: str
    sequence: int
    hash: bytes
    told: int
    contradicted: int
    signed: bytes | None

    @property
    def kept(self) -> KeptHead:
        """The head with the time of the answer."""
        return KeptHead(Head(self.sequence, self.hash), _UNSIGNED, from_microseconds(self.told))

    @property
    def signed_head(self) -> ChainHead:
        """The last signed head; an empty one for none."""
        return ChainHead.FromString(self.signed or b"")


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
            signed=row.signed_head if row.signed else None,
        )
        for row in _rows(tx)
    ]


def keep_chains(
    tx: Transaction, endpoint: str, request: GetChainHeadsRequest, response: GetChainHeadsResponse, now: datetime
) -> None:
    """Stores the answer of one coordinator about its chains, unless it contradicts the kept heads.

    The first contradiction of a chain is a row in this region's own chain and an error in the log. A malformed head is
    left out. The caller has verified the signatures.
    """
    for told in response.heads[:CHAINS_AT_ONCE]:
        if _is_head(told):
            _keep(tx, endpoint, told, _lost(told.chain, request, response), now)


def _lost(chain: str, request: GetChainHeadsRequest, response: GetChainHeadsResponse) -> ChainHead | None:
    """The row that the chain should have, and has not or has otherwise; None where it has the row."""
    asked = next((each for each in request.known if each.chain == chain and each.sequence), None)
    return None if asked is None or asked in response.known else asked


def _keep(tx: Transaction, endpoint: str, told: ChainHead, lost: ChainHead | None, now: datetime) -> None:
    before, further = tx.find(_CHAINS, told.chain, endpoint), KeptHead(Head(told.sequence, told.hash), _UNSIGNED, now)
    found = continuation(before.kept if before is not None else None, further)
    # A row that another process of this region has replaced since the request proves nothing.
    is_lost = lost is not None and before is not None and (lost.sequence, lost.hash) == (before.sequence, before.hash)
    if before is not None and (found is Continuation.CONTRADICTING or (is_lost and told.sequence >= before.sequence)):
        if not before.contradicted:
            alarm(tx, f"chain/{told.chain}", before.kept, further, at=endpoint)
            tx.keep(_CHAINS, before._replace(contradicted=1))
    elif found is Continuation.FURTHER or (before is not None and _is_newly_signed(before, told)):
        tx.keep(_CHAINS, _row(endpoint, told, before, now))


def _is_newly_signed(before: ChainRow, told: ChainHead) -> bool:
    """Whether the kept head is told with a signature that it had not, or under another certificate than then."""
    kept, is_same = before.signed_head, (told.sequence, told.hash) == (before.sequence, before.hash)
    differs = (kept.sequence, kept.certificate) != (told.sequence, told.certificate)
    return is_same and bool(told.signature) and differs


def _row(endpoint: str, told: ChainHead, before: ChainRow | None, now: datetime) -> ChainRow:
    """The row with a head. One without a signature leaves the last signed head in its place."""
    contradicted, signed = (0, None) if before is None else (before.contradicted, before.signed)
    if told.signature:
        signed = ChainHead(
            chain=told.chain,
            sequence=told.sequence,
            hash=told.hash,
            sign_time_us=told.sign_time_us,
            signature=told.signature,
            certificate=told.certificate,
        ).SerializeToString()
    return ChainRow(told.chain, endpoint, told.sequence, told.hash, to_microseconds(now), contradicted, signed)


def _is_head(told: ChainHead) -> bool:
    is_named = 0 < len(told.chain) <= _CHAIN_LENGTH and told.chain.isprintable()
    return is_named and told.sequence <= LARGEST_SEQUENCE and len(told.hash) == len(GENESIS)


def _rows(tx: Transaction) -> Sequence[ChainRow]:
    columns = ", ".join(_CHAINS.columns)
    return tx.all(ChainRow, f"SELECT {columns} FROM {_CHAINS.name} ORDER BY chain, endpoint")  # noqa: S608 - own names
