"""Decisions on single keys of the registry, by what etcd has: suspensions and revocation lists. Pure."""

from datetime import datetime

from coordinator.registry import suspensions
from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Noted, Put
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.port import PublishedList, Snapshot
from coordinator.registry.rules import Suspension
from gateway.federation.suspensions import ProvenSuspension


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


def stated(
    found: Found, keys: Keys, wanted: ProvenSuspension, snapshot: Snapshot, latest: datetime | None, actor: str
) -> Change | None:
    """A signed statement about a region; None where it is stored. Raises Refused with SUSPENSION_OUTDATED.

    A suspension without a signature stands beside it: coordinators of an earlier version go by that.
    """
    region, suspension = wanted.statement.region, suspensions.suspension_of(wanted)
    key, of_former = keys.suspension_statement(region), keys.suspension(region)
    former = values.decode_suspension_statement(found[key].value) if key in found else None
    if not suspensions.is_new(wanted, former, snapshot, latest):
        return None
    noted = Noted(actor, suspensions.action_of(wanted), f"region/{region}", suspensions.detail_of(wanted))
    put = {key: Put(values.encode_suspension_statement(wanted.signed))}
    if suspension is None:
        return Change(put, deletes=[of_former], noted=noted)
    return Change({**put, of_former: Put(values.encode_suspension(suspension))}, noted=noted)


def published(found: Found, key: bytes, wanted: PublishedList, actor: str) -> Change | None:
    """A revocation list; None where it is in force. Raises Refused where the one in force is newer."""
    former = values.decode_revocation_list(found[key].value) if key in found else None
    if not wanted.replaces(former):
        return None
    noted = Noted(actor, "REVOCATION_LIST_PUBLISHED", f"issuer/{wanted.issuer}", wanted.detail)
    return Change({key: Put(values.encode_revocation_list(wanted.content))}, noted=noted)
