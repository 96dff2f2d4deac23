"""A fence before an embedded registry: by an older database that was put back, nothing is forwarded to regions.

Each state for a region names the end of the coordinator's audit chain, in which every change of the registry has a row.
Regions name it in their next calls. The coordinator knows it again by a proof under a key of its own database, so that
no region can close the fence by an invention.
"""

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
from gateway.auditing.audit import Head
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
        """The loss for which the fence is closed."""
        return self._loss if self._loss is not None and self._loss.is_open else None

    def require_open(self) -> None:
        """Raises Refused with REGISTRY_BEHIND until people have accepted the loss."""
        if (loss := self.loss) is not None:
            raise Refused(Reason.REASON_REGISTRY_BEHIND, last=str(loss.last_sequence), seen=str(loss.seen_sequence))

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls the listener once the fence is closed, and once it is open again."""
        self._listeners.append(listener)

    async def head(self) -> ChainHead | None:
        """The end of the chain with its proof, for regions; None where the database does not answer."""
        try:
            head = await self._store.read(audit.head)
        except Refused:
            return None
        return ChainHead(chain=self._name, sequence=head.sequence, hash=head.hash, proof=self._proof(head))

    async def look(self, region: str, told: ChainHead) -> None:
        """Compares a head that a region names with the chain, and closes the fence where the chain lacks it.

        One without this coordinator's own proof is left alone. Raises Refused where the database does not
        answer.
        """
        if told == self._known.get(region) or told.chain != self._name:
            return
        head = Head(told.sequence, told.hash)
        if not hmac.compare_digest(told.proof, self._proof(head)):
            return
        if await self._store.read(lambda tx: _is_lacking(tx, head)):
            now = self._clock.now()
            await self._store.write(lambda tx: self._find(tx, region, head, now))
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

    def _find(self, tx: Transaction, region: str, head: Head, now: datetime) -> None:
        if _is_lacking(tx, head):
            witness = f"region/{region}"
            incarnations.begin(tx, self._name, witness=witness, seen=head.sequence, commits=0, now=now)

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
        for listener in self._listeners:
            listener()

    def _proof(self, head: Head) -> bytes:
        signed = b"\0".join((_DOMAIN, self._name.encode(), head.signed_bytes()))
        return hmac.digest(self._key, signed, "sha256")


def observe_fence(meter: Meter, fence: RegistryFence | None) -> None:
    """Gauges whether the fence is closed, as a node does for its own."""
    observe(
        meter, "crossregion.store.fenced", "{store}", lambda: [(int(fence is not None and fence.loss is not None), {})]
    )


def _own_key(tx: Transaction) -> bytes:
    row = tx.find(_KEYS, _ONLY)
    if row is None:
        row = _KeyRow(_ONLY, secrets.token_bytes(_KEY_BYTES))
        tx.insert(_KEYS, row)
    return row.content


def _is_lacking(tx: Transaction, head: Head) -> bool:
    return audit.lacks(tx, head, losses.incarnation(tx))
