"""The durable part of the embedded registry: one transaction each."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from coordinator.registry import suspensions
from coordinator.registry.assignment_rows import last_mark
from coordinator.registry.port import Snapshot
from coordinator.registry.revocation_rows import revocation_lists
from coordinator.registry.rules import RegionFacts, Suspension
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Capabilities, SealingKey
from gateway.api.federation.v1.revision_pb2 import Anchor, SignedRevision, SignedSuspension
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import Continuation, KeptHead, continuation, is_newly_signed
from gateway.errors import Refused
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.federation.suspensions import Chosen, ProvenSuspension, chosen, proven_each
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds


class _HeadRow(NamedTuple):
    """The furthest audit head of a region; the time in microseconds."""

    region: str
    sequence: int
    hash: bytes
    signature: bytes
    handed_in: int

    @property
    def head(self) -> Head:
        """The end of the region's chain."""
        return Head(self.sequence, self.hash)


class _StatementRow(NamedTuple):
    """The signed statement in force about a region."""

    region: str
    content: bytes


_log = logging.getLogger(__name__)
_HEADS = Table("audit_heads", _HeadRow, key=("region",))
_STATEMENTS = Table("suspension_statements", _StatementRow, key=("region",))
_JOINED = "SELECT region, signing_certificate, sealing_key, capabilities FROM joined_regions"


@dataclass(frozen=True)
class Revision:
    """A configuration in force. Published when it comes into force."""

    revision: int
    configuration: Configuration
    content: bytes
    """The configuration as transported."""
    chain: Chain | None = None
    """The signed revisions up to this one; None without an anchor."""


@dataclass(frozen=True)
class SuspensionChanged:
    """Published when a region was suspended or reinstated."""

    region: str
    suspension: Suspension | None
    stated: ProvenSuspension | None = None
    """The signed statement; None for a registry without an anchor."""


@dataclass(frozen=True)
class StatementsChosen:
    """Published when other statements about regions count than before, because time has passed or is known now."""

    chosen: Chosen
    regions: Mapping[str, RegionFacts]
    """The durable facts of the regions, by id."""


@dataclass(frozen=True)
class HeadKept:
    """Published when a region's audit head was compared: the head that is stored since then."""

    region: str
    kept: KeptHead


def newest(tx: Transaction) -> int:
    """The highest revision of the database, in force or not; 0 for none."""
    return tx.first(int, "SELECT revision FROM configurations ORDER BY revision DESC LIMIT 1") or 0


def snapshot(tx: Transaction, anchor: Anchor | None = None, latest: datetime | None = None) -> Snapshot:
    """All that is durably known. With an anchor, the configuration of the last revision that verifies from it.

    `latest` is the latest time of a statement about a region that counts; None for any.
    """
    known = {facts.region: facts for facts in regions(tx)}
    found = _unsigned(tx, known) if anchor is None else _verified(tx, Chain.of(anchor), known)
    stated = _statements(tx, found.chain, latest)
    standing = suspensions.standing(found.regions, stated.in_force)
    found = replace(found, regions=standing, suspensions=stated.in_force, told_suspensions=stated.all())
    return replace(found, assignment_mark=last_mark(tx), revocation_lists=revocation_lists(tx))


def _unsigned(tx: Transaction, known: Mapping[str, RegionFacts]) -> Snapshot:
    found = tx.first(_revision, "SELECT revision, content FROM configurations ORDER BY revision DESC LIMIT 1")
    if found is None:
        return Snapshot(0, None, known)
    return Snapshot(found.revision, found.configuration, known, content=found.content)


def _verified(tx: Transaction, anchor: Chain, known: Mapping[str, RegionFacts]) -> Snapshot:
    stored = "SELECT signed FROM configurations WHERE revision >= :revision AND LENGTH(signed) > 0 ORDER BY revision"
    statements = tx.all(SignedRevision.FromString, stored, revision=anchor.place.revision)
    chain, wrong = anchor.followed_until(statements)
    revision = chain.place.revision
    content = tx.first(bytes, "SELECT content FROM configurations WHERE revision = :revision", revision=revision)
    unverified = None
    if (last := newest(tx)) > revision:
        told = (wrong or RevisionRefused("it is not signed", "未签名")).told
        unverified = LocalizedText(zh_cn=f"修订{last}：{told.zh_cn}", en=f"revision {last}: {told.en}")
        _log.error("what the database holds is not in force: %s", unverified.en)
    try:
        configuration = chain.require(content or b"")
    except RevisionRefused as refused:
        if last:
            _log.error("no configuration is in force: %s", refused)
        return Snapshot(0, None, known, chain=chain, unverified=refused.told if last else None)
    return Snapshot(revision, configuration, known, content=content or b"", chain=chain, unverified=unverified)


def configuration_at(tx: Transaction, revision: int) -> Configuration | None:
    """The configuration of one revision."""
    return tx.first(
        Configuration.FromString,
        "SELECT content FROM configurations WHERE revision = :revision",
        revision=revision,
    )


def applied_times(tx: Transaction, revisions: range) -> Mapping[int, datetime]:
    """When revisions came into force, by revision."""
    found = tx.all(
        lambda revision, applied: (revision, from_microseconds(applied)),
        "SELECT revision, applied FROM configurations WHERE revision >= :first AND revision < :end",
        first=revisions.start,
        end=revisions.stop,
    )
    return dict(found)


@dataclass(frozen=True)
class Wanted:
    """A configuration to put in force, and its changes, computed before the transaction because that may take long."""

    configuration: Configuration
    content: bytes
    """The configuration as transported."""
    before: int
    """The revision of the comparison; 0 for none."""
    newest: int
    """The highest revision of the database at the comparison."""
    changes: int
    chain: Chain | None = None
    """The signed revisions up to this one; None without an anchor."""


def apply(tx: Transaction, wanted: Wanted, *, expected_revision: int, actor: str, now: datetime) -> int | None:
    """Puts a configuration in force. See the port. None where the comparison was with another revision.

    A signed one replaces later revisions of the database, which do not verify.
    """
    if newest(tx) != wanted.newest:
        return None
    chain, detail = wanted.chain, f"{wanted.changes} changes"
    if chain is None:
        # Before the check of the revision: a repeated call after a lost response gets that response.
        if not wanted.changes:
            return wanted.before
        if wanted.before != expected_revision:
            raise Refused(Reason.REASON_CONFIGURATION_CHANGED, revision=str(wanted.before))
        revision, signed = wanted.before + 1, b""
    else:
        revision, signed = chain.place.revision, chain.revisions[-1].SerializeToString()
        replaced = tx.execute("DELETE FROM configurations WHERE revision >= :revision", revision=revision)
        detail += f", {replaced} revisions that nobody signed removed" if replaced else ""
    tx.execute(
        "INSERT INTO configurations (revision, content, actor, applied, signed)"
        " VALUES (:revision, :content, :actor, :now, :signed)",
        revision=revision,
        content=wanted.content,
        actor=actor,
        now=to_microseconds(now),
        signed=signed,
    )
    subject = f"configuration/{revision}"
    audit.append(tx, now=now, actor=actor, action="CONFIGURATION_APPLIED", subject=subject, detail=detail)
    tx.publish(Revision(revision, wanted.configuration, wanted.content, chain))
    return revision


def regions(tx: Transaction) -> list[RegionFacts]:
    """The durable facts of each region."""
    suspensions = dict(tx.all(_suspension, "SELECT region, since, note, actor FROM suspensions"))
    joined = {each.region: each for each in tx.all(_joined, _JOINED)}
    return [
        replace(joined.get(region) or RegionFacts(region), suspension=suspensions.get(region))
        for region in sorted(suspensions.keys() | joined.keys())
    ]


def keep_joined(tx: Transaction, facts: RegionFacts, now: datetime) -> None:
    """Stores a region's join: its signing certificate, its sealing key and its capabilities."""
    region = facts.region
    before = tx.first(_joined, f"{_JOINED} WHERE region = :region", region=region)
    tx.execute(
        "INSERT INTO joined_regions (region, first_joined, signing_certificate, sealing_key, capabilities)"
        " VALUES (:region, :now, :certificate, :sealing_key, :capabilities) ON CONFLICT (region) DO UPDATE SET"
        " signing_certificate = excluded.signing_certificate, sealing_key = excluded.sealing_key,"
        " capabilities = excluded.capabilities",
        region=region,
        now=to_microseconds(now),
        certificate=facts.signing_certificate,
        sealing_key=facts.sealing_key.SerializeToString(),
        capabilities=facts.capabilities.SerializeToString(),
    )
    action = facts.change_since(before)
    audit.append(tx, now=now, actor=f"region/{region}", action=action, subject=f"region/{region}")


def keep_suspension(
    tx: Transaction,
    wanted: ProvenSuspension,
    known: Snapshot,
    latest: datetime | None,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Stores a statement about a region. See the port."""
    region = wanted.statement.region
    row = tx.find(_STATEMENTS, region)
    former = None if row is None else SignedSuspension.FromString(row.content)
    if not suspensions.is_new(wanted, former, known, latest):
        return
    tx.keep(_STATEMENTS, _StatementRow(region, wanted.signed.SerializeToString()))
    action, detail = suspensions.action_of(wanted), suspensions.detail_of(wanted)
    audit.append(tx, now=now, actor=actor, action=action, subject=f"region/{region}", detail=detail)
    tx.publish(SuspensionChanged(region, suspensions.suspension_of(wanted), wanted))


def choose_statements(tx: Transaction, chain: Chain | None, latest: datetime | None) -> None:
    """Lets those statements about regions count that were not signed after `latest`."""
    stated = _statements(tx, chain, latest)
    standing = suspensions.standing({each.region: each for each in regions(tx)}, stated.in_force)
    tx.publish(StatementsChosen(stated, standing))


def _statements(tx: Transaction, chain: Chain | None, latest: datetime | None) -> Chosen:
    """The statements about regions. One that is not proven is logged and ignored, and one dated ahead is logged."""
    if chain is None:
        return chosen((), latest)
    stored = tx.all(SignedSuspension.FromString, "SELECT content FROM suspension_statements ORDER BY region")
    proven, refused = proven_each(stored, chain, ())
    for problem in refused:
        _log.error("a statement about a region in the database is not proven: %s", problem)
    found = chosen(proven, latest)
    for early in found.early(latest):
        _log.error("the database holds what is dated ahead: %s", suspensions.early_text(early))
    return found


def suspend(tx: Transaction, region: str, *, note: str, actor: str, now: datetime) -> None:
    """Suspends a region. See the port."""
    found = tx.first(
        _suspension,
        "SELECT region, since, note, actor FROM suspensions WHERE region = :region",
        region=region,
    )
    if found is not None and (found[1].note, found[1].actor) == (note, actor):
        return
    since = found[1].since if found is not None else now
    tx.execute(
        "INSERT INTO suspensions (region, since, note, actor) VALUES (:region, :since, :note, :actor)"
        " ON CONFLICT (region) DO UPDATE SET note = excluded.note, actor = excluded.actor",
        region=region,
        since=to_microseconds(since),
        note=note,
        actor=actor,
    )
    audit.append(tx, now=now, actor=actor, action="REGION_SUSPENDED", subject=f"region/{region}", detail=note)
    tx.publish(SuspensionChanged(region, Suspension(since, note, actor)))


def reinstate(tx: Transaction, region: str, *, actor: str, now: datetime) -> None:
    """Ends a suspension. See the port."""
    if not tx.execute("DELETE FROM suspensions WHERE region = :region", region=region):
        return
    audit.append(tx, now=now, actor=actor, action="REGION_REINSTATED", subject=f"region/{region}")
    tx.publish(SuspensionChanged(region, None))


def audit_head(tx: Transaction, region: str) -> KeptHead | None:
    """The furthest audit head of a region."""
    row = tx.find(_HEADS, region)
    return None if row is None else KeptHead(row.head, row.signature, from_microseconds(row.handed_in))


def keep_audit_head(tx: Transaction, region: str, kept: KeptHead) -> bool:
    """Keeps a head that is further than the one kept, or newly signed. See the port."""
    before = audit_head(tx, region)
    found = continuation(before, kept)
    if found is Continuation.FURTHER or is_newly_signed(before, kept):
        handed_in = to_microseconds(kept.time)
        tx.keep(_HEADS, _HeadRow(region, kept.head.sequence, kept.head.hash, kept.signature, handed_in))
        before = kept
    if before is not None:
        tx.publish(HeadKept(region, before))
    return found is not Continuation.CONTRADICTING


def _revision(revision: int, content: bytes) -> Revision:
    return Revision(revision, Configuration.FromString(content), content)


def _suspension(region: str, since: int, note: str, actor: str) -> tuple[str, Suspension]:
    return region, Suspension(from_microseconds(since), note, actor)


def _joined(
    region: str, signing_certificate: bytes, sealing_key: bytes | None, capabilities: bytes | None
) -> RegionFacts:
    return RegionFacts(
        region,
        ever_joined=True,
        signing_certificate=signing_certificate,
        sealing_key=SealingKey.FromString(sealing_key or b""),
        capabilities=Capabilities.FromString(capabilities or b""),
    )
