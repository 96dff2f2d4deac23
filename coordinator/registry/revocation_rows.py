"""Revocation lists in the embedded registry."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from coordinator.registry.port import PublishedList
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.auditing import audit
from gateway.store.port import Transaction
from gateway.store.tables import Table


class _Row(NamedTuple):
    issuer: str
    content: bytes


_LISTS = Table("revocation_lists", _Row, key=("issuer",))


@dataclass(frozen=True)
class ListPublished:
    """Published when the list of an issuer was stored."""

    issuer: str
    content: RevocationList


def revocation_lists(tx: Transaction) -> dict[str, RevocationList]:
    """All lists, by issuer."""
    rows = tx.all(_Row, "SELECT issuer, content FROM revocation_lists ORDER BY issuer")
    return {row.issuer: RevocationList.FromString(row.content) for row in rows}


def publish(tx: Transaction, wanted: PublishedList, *, actor: str, now: datetime) -> None:
    """Stores a list. See the port."""
    row = tx.find(_LISTS, wanted.issuer)
    if not wanted.replaces(None if row is None else RevocationList.FromString(row.content)):
        return
    tx.keep(_LISTS, _Row(wanted.issuer, wanted.content.SerializeToString()))
    audit.append(
        tx,
        now=now,
        actor=actor,
        action="REVOCATION_LIST_PUBLISHED",
        subject=f"issuer/{wanted.issuer}",
        detail=wanted.detail,
    )
    tx.publish(ListPublished(wanted.issuer, wanted.content))
