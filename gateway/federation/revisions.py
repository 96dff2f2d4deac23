"""The chain of signed revisions: each step is verified from an anchor. Pure.

A statement follows a place if it has the next revision, names the digest of the place, and is signed by enough of the
administrators of the place. Bytes are verified as transported and never serialised again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.api.federation.v1.revision_pb2 import (
    Administration,
    Anchor,
    RevisionSignature,
    RevisionStatement,
    SignedRevision,
)
from gateway.errors import Problem
from gateway.federation.administration_rules import MOST_ADMINISTRATORS, administration_problems
from gateway.security.signing import REVISION, Signer, is_signed_by
from gateway.time.clock import dated, to_timestamp

M = TypeVar("M", bound=Message)


class RevisionRefused(Problem):
    """A statement or a configuration that does not continue the chain; the text has the reason."""


def digest(content: bytes) -> bytes:
    """The digest (SHA-256) of a statement or a configuration as transported."""
    return hashlib.sha256(content).digest()


@dataclass(frozen=True)
class Chain:
    """A verified place in the chain, with the statements that lead to it. Its messages must not be changed."""

    place: Anchor
    """After this the next statement follows."""
    configuration_digest: bytes
    """The digest of the configuration in force at the place; empty where there is none."""
    revisions: Sequence[SignedRevision] = ()
    """The statements from that of the anchor's revision, where it is known, in ascending order."""
    first_signing: Administration | None = None
    """The administrators who sign the first of the statements; None where they are not known."""

    @classmethod
    def of(cls, anchor: Anchor) -> "Chain":
        """The chain that begins at an anchor."""
        return cls(anchor, anchor.digest)

    @property
    def statement(self) -> RevisionStatement | None:
        """The last statement; None where the place is an anchor whose statement is not known."""
        return RevisionStatement.FromString(self.revisions[-1].statement) if self.revisions else None

    def has(self, revision: SignedRevision) -> bool:
        """Whether a statement is that of the place."""
        return digest(revision.statement) == self.place.digest

    def since(self, revision: int) -> Sequence[SignedRevision]:
        """The statements from that of a revision on, for a member that has verified the chain up to it."""
        earlier = self.place.revision - len(self.revisions)
        return self.revisions[max(0, revision - earlier - 1) :]

    def digest_of(self, revision: int) -> bytes:
        """The digest of the configuration of a revision; empty where the chain does not reach back to it, or so far."""
        if revision == self.place.revision:
            return self.configuration_digest
        statement = self._statement_of(revision)
        return statement.configuration_digest if statement is not None else b""

    def administration_at(self, revision: int) -> Administration | None:
        """The administrators whom the configuration of a revision names; None where the chain does not know them."""
        if revision == self.place.revision:
            return self.place.administration
        statement = self._statement_of(revision)
        return statement.administration if statement is not None else None

    def signing(self, revision: int) -> Administration | None:
        """The administrators who sign a revision; None where the chain does not know them."""
        if self.revisions and revision == self.place.revision - len(self.revisions) + 1:
            return self.first_signing
        return self.administration_at(revision - 1)

    def followed(self, revisions: Iterable[SignedRevision]) -> "Chain":
        """The chain after more statements; earlier ones are passed over. Raises RevisionRefused for a wrong one."""
        chain = self
        for each in revisions:
            chain = chain._followed(each)
        return chain

    def followed_until(self, revisions: Iterable[SignedRevision]) -> "tuple[Chain, RevisionRefused | None]":
        """The chain after the statements before the first wrong one, and why that is wrong."""
        chain = self
        for each in revisions:
            try:
                chain = chain._followed(each)
            except RevisionRefused as refused:
                return chain, refused
        return chain, None

    def _followed(self, revision: SignedRevision) -> "Chain":
        statement = parsed(RevisionStatement, revision.statement)
        if statement.revision < self.place.revision:
            return self
        if statement.revision == self.place.revision:
            if not self.has(revision):
                raise RevisionRefused(
                    f"another statement of revision {statement.revision} is the known one",
                    f"已知的是修订{statement.revision}的另一份声明",
                )
            return self if self.revisions else Chain(self.place, statement.configuration_digest, (revision,))
        _require_next(self.place, statement)
        _require_signatures(self.place.administration, revision)
        first_signing = self.first_signing if self.revisions else self.place.administration
        return Chain(place_of(revision), statement.configuration_digest, (*self.revisions, revision), first_signing)

    def signed(self, revision: int) -> SignedRevision | None:
        """The statement of a revision with its signatures; None where the chain does not reach it."""
        index = revision - (self.place.revision - len(self.revisions)) - 1
        return self.revisions[index] if 0 <= index < len(self.revisions) else None

    def _statement_of(self, revision: int) -> RevisionStatement | None:
        signed = self.signed(revision)
        return RevisionStatement.FromString(signed.statement) if signed is not None else None

    def require(self, content: bytes) -> Configuration:
        """The configuration of the place from its transported bytes.

        Raises RevisionRefused for other bytes, and where the place has none. Takes seconds for half a million prefixes.
        """
        if not self.configuration_digest or digest(content) != self.configuration_digest:
            raise RevisionRefused(
                f"the configuration is not the signed one of revision {self.place.revision}",
                f"配置不是修订{self.place.revision}中经签名的配置",
            )
        configuration, statement = parsed(Configuration, content), self.statement
        if statement is not None and configuration.administration != statement.administration:
            raise RevisionRefused(
                "the statement names other administrators than the configuration", "声明所列管理员与配置不符"
            )
        return configuration

    def require_valid(self, now: datetime) -> None:
        """Raises RevisionRefused once the validity of the last statement has ended."""
        statement = self.statement
        if statement is not None and dated(statement.end_time) <= now:
            ended = f"{dated(statement.end_time):%Y-%m-%d %H:%M} UTC"
            raise RevisionRefused(
                f"the validity of revision {self.place.revision} ended at {ended}",
                f"修订{self.place.revision}的有效期已于{ended}结束",
            )


def place_of(revision: SignedRevision) -> Anchor:
    """The place that a statement makes; nothing is verified. Raises RevisionRefused for what is no statement."""
    statement = parsed(RevisionStatement, revision.statement)
    return Anchor(
        federation=statement.federation,
        revision=statement.revision,
        digest=digest(revision.statement),
        administration=statement.administration,
        issue_time=statement.issue_time,
    )


def statement_after(place: Anchor, content: bytes, issue_time: datetime, end_time: datetime) -> bytes:
    """The statement to sign, by which a configuration follows a place. Raises RevisionRefused."""
    statement = RevisionStatement(
        federation=place.federation,
        revision=place.revision + 1,
        previous_digest=place.digest,
        configuration_digest=digest(content),
        issue_time=to_timestamp(issue_time),
        end_time=to_timestamp(end_time),
        administration=parsed(Configuration, content).administration,
    )
    _require_next(place, statement)
    return statement.SerializeToString(deterministic=True)


def signature_of(signer: Signer, statement: bytes) -> RevisionSignature:
    """The signature of an administrator under a statement, as transported."""
    return RevisionSignature(key=signer.public_key, signature=signer.sign(REVISION, statement))


def signed_revision(statement: bytes, signing: Iterable[Signer]) -> SignedRevision:
    """A statement, as transported, with the signatures of administrators."""
    return SignedRevision(statement=statement, signatures=[signature_of(each, statement) for each in signing])


def signers(administration: Administration, revision: SignedRevision) -> list[str]:
    """The names of the administrators who have signed a statement rightly, in the order of the list."""
    told = {each.key: each.signature for each in revision.signatures[:MOST_ADMINISTRATORS]}
    return [
        each.name
        for each in administration.administrators
        if each.key in told and is_signed_by(each.key, REVISION, revision.statement, told[each.key])
    ]


def configuration_of(state: WatchResponse) -> Configuration:
    """The configuration of a federation state in either form; empty without one. Raises RevisionRefused."""
    if not state.configuration_content:
        return state.configuration
    return parsed(Configuration, state.configuration_content)


def parsed(kind: type[M], content: bytes) -> M:
    """The message of some bytes. Raises RevisionRefused."""
    try:
        return kind.FromString(content)
    except DecodeError:
        raise RevisionRefused(
            f"there is no {kind.DESCRIPTOR.name} that this version can read",
            f"没有本版本可读取的{kind.DESCRIPTOR.name}",
        ) from None


def stated_time(stated: Timestamp) -> datetime:
    """The instant of a statement's time. Raises RevisionRefused for one out of range."""
    try:
        return dated(stated)
    except OverflowError:
        raise RevisionRefused("a time of the statement is out of range", "声明中的时间超出范围") from None


def _require_next(place: Anchor, statement: RevisionStatement) -> None:
    if statement.federation != place.federation:
        raise RevisionRefused(
            f"the statement is of the federation {statement.federation!r}", f"声明属于联盟{statement.federation!r}"
        )
    if statement.revision != place.revision + 1:
        raise RevisionRefused(
            f"revision {statement.revision} does not follow revision {place.revision}",
            f"修订{statement.revision}不接续修订{place.revision}",
        )
    if statement.previous_digest != place.digest:
        raise RevisionRefused(
            f"the statement follows another revision {place.revision} than the known one",
            f"声明所接续的修订{place.revision}不是已知的修订",
        )
    issued, ends = stated_time(statement.issue_time), stated_time(statement.end_time)
    if place.HasField("issue_time") and issued < stated_time(place.issue_time):
        raise RevisionRefused("the statement is older than the one before", "声明早于前一份声明")
    if ends <= issued:
        raise RevisionRefused("the validity of the statement ends before it begins", "声明的有效期在开始之前即结束")
    if wrong := next(administration_problems(statement.administration), None):
        raise RevisionRefused(wrong, wrong)
    if not statement.administration.administrators:
        raise RevisionRefused(
            "administration: names nobody who could sign the next revision",
            "administration：未列出可签署下一修订的管理员",
        )


def _require_signatures(administration: Administration, revision: SignedRevision) -> None:
    found = len(signers(administration, revision))
    if found < max(1, administration.threshold):
        raise RevisionRefused(
            f"{found} of the administrators have signed it, and {administration.threshold} of them must",
            f"已有{found}位管理员签名，须有{administration.threshold}位",
        )
