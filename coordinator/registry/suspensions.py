"""Signed statements about regions in the registry: which replace others, and what follows for the regions. Pure."""

from collections.abc import Mapping
from datetime import datetime

from coordinator.registry.port import Snapshot
from coordinator.registry.rules import RegionFacts, Suspension
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.suspensions import ProvenSuspension, chosen, proven_each
from gateway.time.clock import from_microseconds


def is_new(
    wanted: ProvenSuspension, former: SignedSuspension | None, snapshot: Snapshot, latest: datetime | None
) -> bool:
    """Whether a statement is to be stored; False where it is. Raises Refused with SUSPENSION_OUTDATED.

    A former one that the chain does not prove, or that is dated after `latest`, was written into the store by somebody
    else, and counts as none. The one in force by the snapshot counts although its place in the store is overwritten.
    """
    if former == wanted.signed:
        return False
    known, region = [*snapshot.told_suspensions], wanted.statement.region
    if former is not None and snapshot.chain is not None:
        known += proven_each([former], snapshot.chain, known)[0]
    before = chosen(known, latest).in_force.get(region)
    if before is not None and before.signed != wanted.signed and not wanted.replaces(before):
        raise Refused(Reason.REASON_SUSPENSION_OUTDATED, region=region)
    return True


def is_due(snapshot: Snapshot, latest: datetime | None) -> bool:
    """Whether other statements count than those in force: the time of one has come, or one is found to be early."""
    return chosen(snapshot.told_suspensions, latest).in_force != snapshot.suspensions


def early_text(stated: ProvenSuspension) -> str:
    """The text of the log about a statement that is dated ahead."""
    region, instant = stated.statement.region, stated.statement.sign_time_us
    return f"the statement of {stated.administrator} about {region} counts for nothing before its time, {instant} us"


def suspension_of(stated: ProvenSuspension) -> Suspension | None:
    """The suspension by a statement; None for its end."""
    if not stated.statement.suspended:
        return None
    since: datetime = from_microseconds(stated.statement.sign_time_us)
    return Suspension(since, stated.statement.note, f"admin/{stated.administrator}")


def action_of(stated: ProvenSuspension) -> str:
    """The action of the audit row about a statement."""
    return "REGION_SUSPENDED" if stated.statement.suspended else "REGION_REINSTATED"


def detail_of(stated: ProvenSuspension) -> str:
    """The detail of the audit row: who signed, and the note."""
    return f"signed by {stated.administrator}: {stated.statement.note}".rstrip(": ")


def standing(regions: Mapping[str, RegionFacts], statements: Mapping[str, ProvenSuspension]) -> dict[str, RegionFacts]:
    """The facts of regions, with suspensions by the statements about them. Others stay as they are."""
    found = dict(regions)
    for region, stated in statements.items():
        facts = found.get(region) or RegionFacts(region)
        found[region] = facts.standing(suspension_of(stated))
    return found
