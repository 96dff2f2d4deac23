"""Decisions on single keys of the registry, by what etcd has: suspensions and revocation lists. Pure."""

from datetime import datetime

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Noted, Put
from coordinator.registry.port import PublishedList
from coordinator.registry.rules import Suspension


def suspended(found: Found, key: bytes, region: str, note: str, actor: str, now: datetime) -> Change | None:
    """The suspension of a region, which keeps its first time; None where it stands so already."""
    before = values.decode_suspension(found[key].value) if key in found else None
    if before is not None and (before.note, before.actor) == (note, actor):
        return None
    suspension = Suspension(before.since if before is not None else now, note, actor)
    noted = Noted(actor, "REGION_SUSPENDED", f"region/{region}", note)
    return Change({key: Put(values.encode_suspension(suspension))}, noted=noted)


def reinstated(found: Found, key: bytes, region: str, actor: str) -> Change | None:
    """The end of a suspension; None where there is none."""
    noted = Noted(actor, "REGION_REINSTATED", f"region/{region}")
    return Change(deletes=[key], noted=noted) if key in found else None


def published(found: Found, key: bytes, wanted: PublishedList, actor: str) -> Change | None:
    """A revocation list; None where it is in force. Raises Refused where the one in force is newer."""
    former = values.decode_revocation_list(found[key].value) if key in found else None
    if not wanted.replaces(former):
        return None
    noted = Noted(actor, "REVOCATION_LIST_PUBLISHED", f"issuer/{wanted.issuer}", wanted.detail)
    return Change({key: Put(values.encode_revocation_list(wanted.content))}, noted=noted)
