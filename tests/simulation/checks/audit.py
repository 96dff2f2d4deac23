"""Audit (G10): the chain of every region verifies, and whatever was accepted has one row."""

from collections import Counter

from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.auditing import audit
from tests.simulation.evidence import Evidence

AUDIT = "audit"


def check(evidence: Evidence) -> None:
    """The chains, and one row for each order taken in, each command acted on and each receipt kept."""
    written: Counter[tuple[str, str, str]] = Counter()
    for region in evidence.regions:
        rows = region.ports.disk.read(lambda tx: list(audit.rows(tx)))
        try:
            audit.verify(rows)
        except audit.ChainBroken as broken:
            evidence.broken(AUDIT, "-", f"{region.name}: {broken}")
        written.update((region.name, row.action, row.detail.partition(" ")[0] or row.subject) for row in rows)
    for order_id, order in evidence.handled.items():
        _once(evidence, written, (order.origin_region, "SubmitOrder", order_id))
    for region_name, row in evidence.received:
        kind = EnvelopeKind.Name(evidence.kind_of(row.content))
        _once(evidence, written, (region_name, kind, row.envelope_id))
    for region_name, row in evidence.sent:
        if row.receipt_content is not None:
            _once(evidence, written, (region_name, "Receipt", row.envelope_id))


def _once(evidence: Evidence, written: Counter[tuple[str, str, str]], key: tuple[str, str, str]) -> None:
    if written[key] != 1:
        evidence.broken(AUDIT, key[2], f"{key[0]} has {written[key]} rows of {key[1]}")
