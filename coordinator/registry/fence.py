"""A fence before an embedded registry: by an older database that was put back, nothing is forwarded to regions.

Each state for a region names the end of the coordinator's audit chain, in which every change of the registry has a row.
Regions name it in their next calls. The coordinator knows it again by a proof under a key of its own database, so that
no region can close the fence by an invention.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Self

from opentelemetry.metrics import Meter

from gateway.api.federation.v1.federation_pb2 import ChainHead
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit, incarnations
from gateway.auditing.audit import GENESIS, Head
from gateway.errors import Refused
from gateway.process.metrics import observe
from gateway.store import losses
from gateway.store.losses import Loss, LossChanged
from gateway.store.port import Store, Transaction
from gateway.store.tables import Table
from gateway.time.clock import Clock

_log = logging.getLogger(__name__)
_DOMAIN = b"crossregion.chain-head.v1"
_KEY_BYTES = 32
_ONLY = 1


class _KeyRow(NamedTuple):
    number: int
    content: bytes


_KEYS = Table("head_keys", _KeyRow, key=("number",))


class RegistryFence:
    """The fence of one coordinator. Made by `open`, on the event loop that will use it."""

    def __init__(self, name: str, store: Store, clock: Clock, key: bytes, loss: Loss | None) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._key = key
        self._loss = loss
        self._known: dict[str, ChainHead] = {}
        self._found: tuple[str, Head] | None = None
        self._storing = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        store.subscribe(LossChanged, lambda changed: self._note(changed.loss))
        self._note(loss)

    @classmethod
    async def open(cls, name: str, store: Store, clock: Clock) -> Self:
        """The fence as the database has it. `name` is the coordinator, which is that of its chain: `coordinator/0`."""
        key, loss = await store.write(lambda tx: (_own_key(tx), losses.last_loss(tx)))
        return cls(name, store, clock, key, loss)

    @property
    def loss(self) -> Loss | None:
        """The loss for which the fence is closed; None too while a new one is not stored yet."""
        return self._loss if self._loss is not None and self._loss.is_open else None

    @property
    def is_open(self) -> bool:
        """Whether nothing is missing, or people have accepted the loss. One that cannot be stored yet closes it too."""
        return self.loss is None and not self._is_to_store

    def require_open(self) -> None:
        """Raises Refused with REGISTRY_BEHIND until people have accepted the loss."""
        if (loss := self.loss) is not None:
            raise Refused(Reason.REASON_REGISTRY_BEHIND, last=str(loss.last_sequence), seen=str(loss.seen_sequence))
        if self._is_to_store:
            seen = "?" if self._found is None else str(self._found[1].sequence)
            raise Refused(Reason.REASON_REGISTRY_BEHIND, last="?", seen=seen)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls the listener once the fence is closed, and once it is open again."""
        self._listeners.append(listener)

    async def head(self) -> ChainHead:
        """The end of the chain with its proof, for regions.

        Raises Refused where the database does not answer, or with REGISTRY_BEHIND: a head of another database would
        take the place of what regions know.
        """
        # By the connection that writes: made anew, it compares the commits of this process with the database.
        head = await self._store.write(audit.head)
        await self._keep_found()
        self.require_open()
        proof = self._proof(self._name, head)
        return ChainHead(chain=self._name, sequence=head.sequence, hash=head.hash, proof=proof)

    async def look(self, region: str, told: ChainHead) -> None:
        """Compares a head that a region names with the chain, and closes the fence where the chain lacks it.

        One without a proof by the key of this database is left alone; the coordinator may have had another number
        before. Raises Refused where the database does not answer: the fence is closed all the same.
        """
        await self._keep_found()
        # With a hash of another length, other parts of the same bytes could be the sequence.
        if told == self._known.get(region) or len(told.hash) != len(GENESIS):
            return
        head = Head(told.sequence, told.hash)
        if not hmac.compare_digest(told.proof, self._proof(told.chain, head)):
            return
        if await self._store.read(lambda tx: _is_lacking(tx, head)):
            _log.error("%s has seen row %d of the audit chain, which the database lacks", region, head.sequence)
            self._found = region, head
            self._tell()
            await self._keep_found()
        self._known[region] = told

    async def accept(self, number: int, reference: str, actor: str) -> Loss:
        """Opens the fence, with what the database has. Raises Refused with LOSS_NOT_FOUND or LOSS_ACCEPTED."""
        now = self._clock.now()

        def accept(tx: Transaction) -> Loss:
            loss = losses.require_acceptable(tx, number, reference)
            if not loss.is_open:
                return loss
            subject = f"loss/{number}"
            audit.append(tx, now=now, actor=actor, action="REGISTRY_LOSS_ACCEPTED", subject=subject, detail=reference)
            return losses.accept(tx, loss, actor, reference, now)

        return await self._store.write(accept)

    @property
    def _is_to_store(self) -> bool:
        return self._found is not None or self._store.lost_commits > 0

    async def _keep_found(self) -> None:
        """Stores what was found, and the lost commits that this process knows of. Raises Refused."""
        async with self._storing:
            if not self._is_to_store:
                return
            found, commits, now = self._found, self._store.lost_commits, self._clock.now()
            await self._store.write(lambda tx: self._begin(tx, found, commits, now))
            self._store.forget_lost_commits(commits)
            self._known.clear()  # what the database had may be lost
            if self._found == found:
                self._found = None

    def _begin(self, tx: Transaction, found: tuple[str, Head] | None, commits: int, now: datetime) -> None:
        if found is not None and _is_lacking(tx, found[1]):
            witness, seen = f"region/{found[0]}", found[1].sequence
        elif commits:
            witness, seen = self._name, audit.head(tx).sequence
        else:
            return
        incarnations.begin(tx, self._name, witness=witness, seen=seen, commits=commits, now=now)

    def _note(self, loss: Loss | None) -> None:
        self._loss = loss
        if self.loss is not None:
            _log.error(
                "the database lacks what regions have seen of it: its audit chain ended at row %d, and %s has seen row"
                " %d; nothing is forwarded until an administrator has looked (`coordinator regions list`)",
                self.loss.last_sequence,
                self.loss.witness,
                self.loss.seen_sequence,
            )
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _proof(self, chain: str, head: Head) -> bytes:
        signed = b"\0".join((_DOMAIN, chain.encode(), head.signed_bytes()))
        return hmac.digest(self._key, signed, "sha256")


def observe_fence(meter: Meter, fence: RegistryFence | None) -> None:
    """Gauges whether the fence is closed, as a node does for its own."""
    observe(meter, "crossregion.store.fenced", "{store}", lambda: [(int(fence is not None and not fence.is_open), {})])


def _own_key(tx: Transaction) -> bytes:
    row = tx.find(_KEYS, _ONLY)
    if row is None:
        row = _KeyRow(_ONLY, secrets.token_bytes(_KEY_BYTES))
        tx.insert(_KEYS, row)
    return row.content


def _is_lacking(tx: Transaction, head: Head) -> bool:
    return audit.lacks(tx, head, losses.incarnation(tx))
