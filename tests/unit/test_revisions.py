"""The chain of signed revisions: what continues it, and every forgery that does not."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.revision_pb2 import (
    Administration,
    Administrator,
    Anchor,
    RevisionSignature,
    RevisionStatement,
    SignedRevision,
)
from gateway.federation.anchors import anchor_text, chosen_anchor, load_anchor
from gateway.federation.revisions import Chain, RevisionRefused, digest, signers
from gateway.security.signing import AUDIT_HEAD, REVISION
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import to_timestamp
from tests.administrators import VALID, Administrators

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = ("li", "wang", "zhao")


@pytest.fixture(name="people", scope="module")
def three_of_whom_two_sign(tmp_path_factory: pytest.TempPathFactory) -> Administrators:
    return Administrators(tmp_path_factory.mktemp("anchor"), FEDERATION, NAMES, threshold=2)


def configuration(*regions: str) -> Configuration:
    return Configuration(federation=FEDERATION, regions=[Region(id=region) for region in regions])


def chain_of(people: Administrators, count: int) -> tuple[Chain, list[SignedRevision]]:
    """The chain after so many revisions, and their statements."""
    chain, revisions = Chain.of(people.anchor), []
    for number in range(count):
        signed = people.signed(chain.place, configuration(f"r{number}"), NOW + timedelta(hours=number), NAMES[:2])
        revisions.append(signed.revision)
        chain = chain.followed((signed.revision,))
        chain.require(signed.content)
    return chain, revisions


def test_two_of_three_administrators_put_one_revision_after_the_other_in_force(people: Administrators) -> None:
    chain, revisions = chain_of(people, 3)
    assert (chain.place.revision, chain.place.digest) == (3, digest(revisions[-1].statement))
    assert Chain.of(people.anchor).followed(revisions).place == chain.place
    assert chain.followed(revisions) == chain, "what is known is passed over"


def statement_of(people: Administrators, chain: Chain) -> RevisionStatement:
    """A statement that follows a chain."""
    return RevisionStatement(
        federation=FEDERATION,
        revision=chain.place.revision + 1,
        previous_digest=chain.place.digest,
        configuration_digest=digest(b""),
        issue_time=to_timestamp(NOW + timedelta(days=1)),
        end_time=to_timestamp(NOW + VALID),
        administration=people.administration,
    )


ALTERED: dict[str, tuple[Callable[[RevisionStatement], None], str]] = {
    "of another federation": (lambda it: setattr(it, "federation", "another.example"), "of the federation"),
    "of a revision further on": (lambda it: setattr(it, "revision", 10**12), "does not follow"),
    "after another revision": (lambda it: setattr(it, "previous_digest", bytes(32)), "follows another revision"),
    "older than the one before": (
        lambda it: it.issue_time.CopyFrom(to_timestamp(NOW - timedelta(days=1))),
        "older than the one before",
    ),
    "over before it begins": (lambda it: it.end_time.CopyFrom(it.issue_time), "ends before it begins"),
    "out of the calendar": (lambda it: setattr(it.end_time, "seconds", 10**15), "out of range"),
    "that nobody can follow": (lambda it: it.ClearField("administration"), "nobody who could sign"),
    "with more signatures than people": (lambda it: setattr(it.administration, "threshold", 9), "threshold"),
}


def test_a_statement_that_does_not_continue_the_chain_is_refused_whoever_signs_it(people: Administrators) -> None:
    chain, _ = chain_of(people, 2)
    found = {}
    for name, (alter, _problem) in ALTERED.items():
        statement = statement_of(people, chain)
        alter(statement)
        with pytest.raises(RevisionRefused) as refusal:
            chain.followed((people.signatures(statement.SerializeToString()),))
        found[name] = str(refusal.value)
        # Problems of a configuration have English texts alone.
        assert name == "with more signatures than people" or not refusal.value.told.zh_cn.isascii()
    missed = {name: found[name] for name, (_, problem) in ALTERED.items() if problem not in found[name]}
    assert missed == {}


def test_signatures_count_once_for_each_administrator_and_for_the_bytes_as_they_were_sent(
    people: Administrators, tmp_path: Path
) -> None:
    chain, _ = chain_of(people, 1)
    statement = statement_of(people, chain).SerializeToString()
    right = people.signatures(statement, NAMES[:2])
    (first, second), stranger = right.signatures, Administrators(tmp_path, FEDERATION, ("li", "wang"))
    other_purpose = people.signers["wang"].sign(AUDIT_HEAD, statement)
    renamed = RevisionSignature(key=second.key, signature=first.signature)
    forged = {
        "none": SignedRevision(statement=statement),
        "one": people.signatures(statement, NAMES[:1]),
        "one twice": SignedRevision(statement=statement, signatures=[first, first]),
        "one under the key of another": SignedRevision(statement=statement, signatures=[first, renamed]),
        "foreign keys": stranger.signatures(statement),
        "for another purpose": SignedRevision(
            statement=statement, signatures=[first, RevisionSignature(key=second.key, signature=other_purpose)]
        ),
        "of other bytes": SignedRevision(statement=statement + b"\x78\x01", signatures=right.signatures),
        "of no length": SignedRevision(
            statement=statement, signatures=[first, RevisionSignature(key=second.key, signature=b"")]
        ),
    }
    for name, revision in forged.items():
        with pytest.raises(RevisionRefused, match="have signed it"):
            chain.followed((revision,))
        assert len(signers(people.administration, revision)) < 2, name
    assert chain.followed((right,)).place.revision == 2


def test_an_administrator_who_was_removed_signs_no_more_and_the_new_one_does(
    people: Administrators, tmp_path: Path
) -> None:
    chain, _ = chain_of(people, 1)
    successors = Administrators(tmp_path, FEDERATION, ("zhao", "qian"), threshold=2)
    changed = configuration("r")
    changed.administration.CopyFrom(successors.administration)
    handed_over = people.signed(chain.place, changed, NOW + VALID / 2, NAMES[:2])
    chain = chain.followed((handed_over.revision,))
    chain.require(handed_over.content)
    by_former = people.signed(chain.place, configuration("r"), NOW + VALID / 2)
    with pytest.raises(RevisionRefused, match="0 of the administrators"):
        chain.followed((by_former.revision,))
    by_new = successors.signed(chain.place, configuration("r"), NOW + VALID / 2)
    assert chain.followed((by_new.revision,)).place.revision == 3


def test_only_the_signed_bytes_are_the_configuration(people: Administrators) -> None:
    signed = people.signed(people.anchor, configuration("sichuan"), NOW)
    chain = Chain.of(people.anchor).followed((signed.revision,))
    assert chain.require(signed.content).regions[0].id == "sichuan"
    for other in (b"", signed.content + b"\x78\x01", people.signed(people.anchor, configuration("h"), NOW).content):
        with pytest.raises(RevisionRefused, match="not the signed one"):
            chain.require(other)


def test_a_statement_with_other_administrators_than_its_configuration_is_refused(people: Administrators) -> None:
    content = configuration("r").SerializeToString()
    statement = statement_of(people, Chain.of(people.anchor))
    statement.configuration_digest = digest(content)
    chain = Chain.of(people.anchor).followed((people.signatures(statement.SerializeToString()),))
    with pytest.raises(RevisionRefused, match="other administrators"):
        chain.require(content)


def test_a_revision_is_valid_until_its_end(people: Administrators) -> None:
    chain, _ = chain_of(people, 1)
    chain.require_valid(NOW + VALID - timedelta(seconds=1))
    with pytest.raises(RevisionRefused, match="ended at"):
        chain.require_valid(NOW + VALID)


def test_an_anchor_within_the_chain_needs_no_earlier_statement_and_takes_no_other(people: Administrators) -> None:
    chain, revisions = chain_of(people, 3)
    later = Chain.of(chain_of_place(people, revisions[:2]))
    assert later.followed(revisions).place == chain.place
    other = people.signatures(statement_of(people, Chain.of(people.anchor)).SerializeToString())
    second = people.signatures(statement_of(people, Chain.of(people.anchor).followed((other,))).SerializeToString())
    with pytest.raises(RevisionRefused, match="another statement of revision 2"):
        later.followed((other, second))


def test_a_chain_knows_who_signs_each_of_its_revisions_but_the_one_at_which_its_anchor_stands(
    people: Administrators,
) -> None:
    chain, revisions = chain_of(people, 3)
    later = Chain.of(chain_of_place(people, revisions[:2])).followed(revisions[1:])
    assert [chain.signing(each) for each in range(6)] == [None, *4 * [people.administration], None]
    assert [later.signing(each) for each in range(1, 5)] == [None, None, *2 * [people.administration]]
    after = Chain.of(chain_of_place(people, revisions[:2])).followed(revisions[2:])
    assert [after.signing(each) for each in range(1, 5)] == [None, None, *2 * [people.administration]]


def chain_of_place(people: Administrators, revisions: list[SignedRevision]) -> Anchor:
    return Chain.of(people.anchor).followed(revisions).place


def test_the_first_signed_revision_follows_an_unsigned_history(people: Administrators) -> None:
    unsigned = configuration("sichuan").SerializeToString()
    anchor = Anchor(federation=FEDERATION, revision=57, digest=digest(unsigned), administration=people.administration)
    chain = Chain.of(anchor)
    assert chain.require(unsigned).regions[0].id == "sichuan"
    with pytest.raises(RevisionRefused):
        chain.require(configuration("henan").SerializeToString())
    signed = people.signed(anchor, configuration("sichuan"), NOW)
    assert chain.followed((signed.revision,)).place.revision == 58
    with pytest.raises(RevisionRefused):
        Chain.of(people.anchor).followed((signed.revision,))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_coordinator_does_with_the_statements_a_member_is_at_a_place_that_was_signed(
    people: Administrators, data: st.DataObject
) -> None:
    """Repeated, left out, in another order, damaged: the chain ends at a prefix of the right one."""
    _, revisions = chain_of(people, 4)
    places = [chain_of_place(people, revisions[:count]) for count in range(5)]
    order: list[int] = data.draw(st.lists(st.integers(0, 3), max_size=8))
    shown = [revisions[each] for each in order]
    is_damaged: int = data.draw(st.integers(0, 1))
    if shown and is_damaged:
        index = data.draw(st.integers(0, len(shown) - 1))
        damaged = bytearray(shown[index].statement)
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
        shown[index] = SignedRevision(statement=bytes(damaged), signatures=shown[index].signatures)
    chain, _ = Chain.of(people.anchor).followed_until(shown)
    assert chain.place in places
    assert [each.statement for each in chain.revisions] == [
        each.statement for each in revisions[: chain.place.revision]
    ]


def test_since_gives_what_a_member_lacks_with_the_statement_that_it_has(people: Administrators) -> None:
    chain, revisions = chain_of(people, 4)
    for revision in range(6):
        assert list(chain.since(revision)) == revisions[max(0, revision - 1) :]


def test_an_anchor_file_comes_back_and_a_wrong_one_is_refused(people: Administrators, tmp_path: Path) -> None:
    assert load_anchor(people.anchor_file, FEDERATION) == people.anchor
    wrong = {
        "is the anchor of": Anchor(federation="another.example", administration=people.administration),
        "names no administrator": Anchor(federation=FEDERATION),
        "threshold": Anchor(
            federation=FEDERATION,
            administration=Administration(threshold=0, administrators=people.administration.administrators),
        ),
        "stands here twice": Anchor(
            federation=FEDERATION,
            administration=Administration(threshold=2, administrators=[people.administration.administrators[0]] * 2),
        ),
        "not an Ed25519": Anchor(
            federation=FEDERATION,
            administration=Administration(threshold=1, administrators=[Administrator(name="li", key=b"short")]),
        ),
        "digest": Anchor(federation=FEDERATION, revision=1, administration=people.administration),
    }
    path = tmp_path / "anchor"
    for problem, anchor in wrong.items():
        path.write_text(anchor_text(anchor))
        with pytest.raises(CredentialsUnusable, match=problem):
            load_anchor(path, FEDERATION)
    for text in ("", "{", '{"unknown": 1}', "\0", "x" * 70_000):
        path.write_text(text)
        with pytest.raises(CredentialsUnusable):
            load_anchor(path, FEDERATION)
    with pytest.raises(CredentialsUnusable, match="No such file"):
        load_anchor(tmp_path / "none", FEDERATION)


def test_a_member_without_an_anchor_has_to_say_that_it_takes_unsigned_configurations(people: Administrators) -> None:
    assert chosen_anchor(None, FEDERATION, allows_unsigned=True) is None
    assert chosen_anchor(people.anchor_file, FEDERATION, allows_unsigned=False) == people.anchor
    for path, allows in ((None, False), (people.anchor_file, True)):
        with pytest.raises(CredentialsUnusable):
            chosen_anchor(path, FEDERATION, allows_unsigned=allows)


def test_what_is_verified_is_what_was_signed_for_this_purpose(people: Administrators) -> None:
    assert REVISION == b"crossregion.revision.v1"
    chain, revisions = chain_of(people, 1)
    assert dataclasses.replace(chain, revisions=()).statement is None
    assert signers(people.administration, revisions[0]) == ["li", "wang"]
