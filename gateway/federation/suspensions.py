"""Statements of administrators that suspend a region, or reinstate it. Pure.

A statement is proven by the administrators of the revision that it names, in the chain of signed revisions. Of two
about a region, the one signed later counts, so that no earlier one ever counts again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.revision_pb2 import Anchor, SignedSuspension, SuspensionStatement
from gateway.federation.revisions import Chain, RevisionRefused, parsed
from gateway.security.signing import SUSPENSION, Signer, is_signed_by
from gateway.time.clock import to_microseconds

NOTE_LENGTH = 256
LATEST_US = 2**63 - 1
MOST_KEPT = 16


@dataclass(frozen=True)
class ProvenSuspension:
    """A proven statement. Its messages must not be changed."""

    signed: SignedSuspension
    statement: SuspensionStatement
    administrator: str
    """The name of who signed it."""

    def replaces(self, former: "ProvenSuspension") -> bool:
        """Whether it counts more than a former statement about the region."""
        return former.statement.sign_time_us < self.statement.sign_time_us

    def was_signed_until(self, latest: datetime | None) -> bool:
        """Whether it was signed until an instant; None for any."""
        return latest is None or self.statement.sign_time_us <= to_microseconds(latest)


def signed_suspension(
    signer: Signer, place: Anchor, region: str, now: datetime, *, suspended: bool, note: str = ""
) -> SignedSuspension:
    """The statement of an administrator about a region, by the place of the chain in force. `now` is aware."""
    statement = SuspensionStatement(
        federation=place.federation,
        region=region,
        suspended=suspended,
        note=note,
        sign_time_us=to_microseconds(now),
        revision=place.revision,
    ).SerializeToString(deterministic=True)
    return SignedSuspension(statement=statement, key=signer.public_key, signature=signer.sign(SUSPENSION, statement))


def proven(signed: SignedSuspension, chain: Chain) -> ProvenSuspension:
    """A statement, proven. Raises RevisionRefused with the reason."""
    statement = parsed(SuspensionStatement, signed.statement)
    if statement.federation != chain.place.federation:
        raise RevisionRefused(f"it is of the federation {statement.federation!r}", f"属于联盟{statement.federation!r}")
    if not statement.region or not statement.sign_time_us or statement.sign_time_us > LATEST_US:
        raise RevisionRefused("it has no region, or no time", "缺少地区或时间")
    if len(statement.note) > NOTE_LENGTH or not statement.note.isprintable():
        raise RevisionRefused(
            f"its note is not one line of at most {NOTE_LENGTH} characters",
            f"说明须为一行，且不超过{NOTE_LENGTH}个字符",
        )
    administration = chain.administration_at(statement.revision)
    if administration is None:
        raise RevisionRefused(
            f"the administrators of revision {statement.revision} are not known",
            f"修订{statement.revision}的管理员未知",
        )
    name = next((each.name for each in administration.administrators if each.key == signed.key), None)
    if name is None or not is_signed_by(signed.key, SUSPENSION, signed.statement, signed.signature):
        raise RevisionRefused(
            f"no administrator of revision {statement.revision} has signed it",
            f"未经修订{statement.revision}的管理员签名",
        )
    return ProvenSuspension(signed, statement, name)


def require_present(found: ProvenSuspension, chain: Chain) -> None:
    """Raises RevisionRefused where the signer is no administrator of the revision in force any more."""
    if found.signed.key not in [each.key for each in chain.place.administration.administrators]:
        raise RevisionRefused(
            f"{found.administrator} is no administrator of revision {chain.place.revision}",
            f"{found.administrator}不是修订{chain.place.revision}的管理员",
        )


class Chosen(NamedTuple):
    """A choice among the statements about regions that a member has received."""

    kept: dict[str, list[ProvenSuspension]]
    """Those that count, or may later, by region; oldest first."""
    in_force: dict[str, ProvenSuspension]
    """The one that counts about each region that has one."""

    def all(self) -> list[ProvenSuspension]:
        """Those to keep, about all regions."""
        return [each for told in self.kept.values() for each in told]

    def early(self, latest: datetime | None) -> list[ProvenSuspension]:
        """Those dated after `latest`, which count for nothing yet."""
        return [each for each in self.all() if not each.was_signed_until(latest)]


def chosen(told: Iterable[ProvenSuspension], latest: datetime | None) -> Chosen:
    """The statements to keep and those in force, while nobody can have signed after `latest`; None for any time.

    Of two about a region with the same time the first one counts, so that none of them ever counts again.
    """
    by_region: dict[str, dict[int, ProvenSuspension]] = {}
    for each in told:
        by_region.setdefault(each.statement.region, {}).setdefault(each.statement.sign_time_us, each)
    kept = {region: worth_keeping(each.values(), latest) for region, each in by_region.items()}
    found = {region: in_force(each, latest) for region, each in kept.items()}
    return Chosen(kept, {region: each for region, each in found.items() if each is not None})


def proven_each(
    told: Iterable[SignedSuspension], chain: Chain, known: Iterable[ProvenSuspension]
) -> tuple[list[ProvenSuspension], list[RevisionRefused]]:
    """The statements beyond those known that are proven, and why others of them are not."""
    former = [each.signed for each in known]
    found, refused = list[ProvenSuspension](), list[RevisionRefused]()
    for each in told:
        if each in former:
            continue
        try:
            found.append(proven(each, chain))
        except RevisionRefused as problem:
            refused.append(problem)
    return found, refused


def in_force(told: Sequence[ProvenSuspension], latest: datetime | None) -> ProvenSuspension | None:
    """Of statements about one region, oldest first, the one that counts while nobody can have signed after `latest`.

    No honest end ever replaces a suspension dated far ahead, so that none of the future counts. None for any time.
    """
    return next((each for each in reversed(told) if each.was_signed_until(latest)), None)


def worth_keeping(told: Iterable[ProvenSuspension], latest: datetime | None) -> list[ProvenSuspension]:
    """Of statements about one region those that count now, or may later; oldest first. At most `MOST_KEPT`."""
    ordered = sorted(told, key=lambda each: each.statement.sign_time_us)
    if latest is None:
        return ordered[-MOST_KEPT:]
    past = [each for each in ordered if each.was_signed_until(latest)]
    return [*past[-1:], *ordered[len(past) :][: MOST_KEPT - 1]]


def claimed(signed: SignedSuspension) -> SuspensionStatement:
    """A statement without proof; empty for bytes that are none."""
    try:
        return parsed(SuspensionStatement, signed.statement)
    except RevisionRefused:
        return SuspensionStatement()
