"""Risks in the embedded registry: one transaction for a change."""

from collections.abc import Sequence

from coordinator.registry.problem_port import Administered
from coordinator.registry.risk_port import DecideRisk
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.auditing import audit
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock


class EmbeddedRisks:
    """See the port."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def all(self) -> Sequence[Risk]:
        """See the port."""
        return await self._store.read(
            lambda tx: tx.all(Risk.FromString, "SELECT content FROM risks ORDER BY risk_id"),
        )

    async def change(self, risk_id: str, decide: DecideRisk, by: Administered | None = None) -> Risk | None:
        """See the port."""
        return await self._store.write(lambda tx: self._change(tx, risk_id, decide, by))

    def _change(self, tx: Transaction, risk_id: str, decide: DecideRisk, by: Administered | None) -> Risk | None:
        before = tx.first(Risk.FromString, "SELECT content FROM risks WHERE risk_id = :risk_id", risk_id=risk_id)
        after = decide(before)
        if after is None:
            return before
        tx.execute(
            "INSERT INTO risks (risk_id, content) VALUES (:risk_id, :content)"
            " ON CONFLICT (risk_id) DO UPDATE SET content = excluded.content",
            risk_id=risk_id,
            content=after.SerializeToString(deterministic=True),
        )
        if by is not None:
            now = self._clock.now()
            audit.append(tx, now=now, actor=by.actor, action=by.action, subject=by.subject, detail=by.detail)
        return after
