"""Statements of administrators that suspend regions: what proves them, and which of them counts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.membership.suspensions import kept_statement
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Administration, Anchor, SignedSuspension, SuspensionStatement
from gateway.errors import Refused
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.federation.suspensions import (
    MOST_KEPT,
    NOTE_LENGTH,
    ProvenSuspension,
    chosen,
    in_force,
    proven,
    proven_each,
    require_present,
    signed_suspension,
    worth_keeping,
)
from gateway.security.signing import REVISION, SUSPENSION, Signer
from gateway.time.clock import BETWEEN_TRUSTED
from region_node.node.membership.suspensions import SuspensionKeeper
from tests.administrators import Administrators

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(name="people", scope="module")
def two_administrators(tmp_path_factory: pytest.TempPathFactory) -> Administrators:
    return Administrators(tmp_path_factory.mktemp("anchor"), FEDERATION)


def chain_of(people: Administrators, *others: Administration) -> Chain:
    """The chain with a revision of these administrators, then one for each other administration."""
    chain = Chain.of(people.anchor)
    for administration in (people.administration, *others):
        wanted = Configuration(federation=FEDERATION, administration=administration)
        chain = chain.followed((people.signed(chain.place, wanted, NOW).revision,))
    return chain


def stated(
    people: Administrators, place: Anchor, after: timedelta = SECOND, *, name: str = "li", ends: bool = False
) -> SignedSuspension:
    """A statement about Henan by an administrator, after a time."""
    note = "" if ends else "under suspicion"
    return signed_suspension(people.signers[name], place, "henan", NOW + after, suspended=not ends, note=note)


def test_one_administrator_of_the_revision_in_force_suspends_a_region(people: Administrators) -> None:
    chain = chain_of(people)
    found = proven(stated(people, chain.place, name="wang"), chain)
    assert (found.administrator, found.statement.region, found.statement.suspended) == ("wang", "henan", True)
    require_present(found, chain)


def test_a_coordinator_takes_a_statement_of_any_trusted_clock_and_of_none_that_is_further_ahead(
    people: Administrators,
) -> None:
    chain = chain_of(people)
    found = kept_statement(chain, stated(people, chain.place, BETWEEN_TRUSTED), NOW)
    assert found.statement.region == "henan"
    with pytest.raises(Refused, match="CLOCK_UNTRUSTED"):
        kept_statement(chain, stated(people, chain.place, BETWEEN_TRUSTED + SECOND), NOW)


def test_nothing_else_proves_a_statement(people: Administrators) -> None:
    chain, li = chain_of(people), people.signers["li"]
    right, stranger = stated(people, chain.place), Signer(Ed25519PrivateKey.generate())

    def otherwise(**changes: object) -> SignedSuspension:
        """A statement that Li has signed, with other fields."""
        statement = SuspensionStatement.FromString(right.statement)
        for name, value in changes.items():
            setattr(statement, name, value)
        content = statement.SerializeToString()
        return SignedSuspension(statement=content, key=li.public_key, signature=li.sign(SUSPENSION, content))

    forged: Mapping[str, SignedSuspension] = {
        "nothing": SignedSuspension(),
        "no statement": SignedSuspension(statement=b"\xff", key=right.key, signature=right.signature),
        "no signature": SignedSuspension(statement=right.statement, key=right.key),
        "altered": SignedSuspension(
            statement=otherwise(region="sichuan").statement, key=right.key, signature=right.signature
        ),
        "of a stranger": signed_suspension(stranger, chain.place, "henan", NOW, suspended=True, note="x"),
        "in the name of another": SignedSuspension(
            statement=right.statement, key=people.signers["wang"].public_key, signature=right.signature
        ),
        "for another purpose": SignedSuspension(
            statement=right.statement, key=right.key, signature=li.sign(REVISION, right.statement)
        ),
        "another federation": otherwise(federation="other.example"),
        "a revision to come": otherwise(revision=2),
        "no region": otherwise(region=""),
        "no time": otherwise(sign_time_us=0),
        "a time that no store keeps": otherwise(sign_time_us=2**63),
        "a long note": otherwise(note="x" * (NOTE_LENGTH + 1)),
        "a note of two lines": otherwise(note="a\nb"),
    }
    assert proven(otherwise(), chain).statement.region == "henan", "the control"
    for name, each in forged.items():
        found, refused = proven_each([each], chain, ())
        assert (found, len(refused)) == ([], 1), name


def test_a_statement_counts_on_when_its_signer_has_left_and_he_signs_no_other(people: Administrators) -> None:
    only_wang = Administration(threshold=1, administrators=people.administration.administrators[1:])
    before, after = chain_of(people), chain_of(people, only_wang)
    found = proven(stated(people, before.place), after)
    assert found.administrator == "li"
    with pytest.raises(RevisionRefused, match="li is no administrator of revision 2"):
        require_present(found, after)
    with pytest.raises(RevisionRefused, match="no administrator of revision 2 has signed it"):
        proven(stated(people, after.place), after)


def test_an_earlier_statement_never_counts_again(people: Administrators) -> None:
    chain = chain_of(people)
    first = stated(people, chain.place)
    ended = stated(people, chain.place, 2 * SECOND, name="wang", ends=True)
    found, refused = proven_each([ended, first, SignedSuspension()], chain, ())
    known = chosen(found, None)
    assert (known.in_force["henan"].signed, len(refused)) == (ended, 1)
    assert chosen([*known.in_force.values(), *found], NOW + BETWEEN_TRUSTED).in_force == known.in_force


def test_a_statement_dated_ahead_counts_for_nothing_by_a_clock_that_is_trusted(people: Administrators) -> None:
    chain, keeper = chain_of(people), SuspensionKeeper()
    ahead = stated(people, chain.place, timedelta(days=365 * 7_000))
    ended = stated(people, chain.place, 2 * SECOND, name="wang", ends=True)
    keeper.take([ahead], chain, None)
    keeper.take([ended], chain, None)
    assert keeper.signed() == [ahead], "by no clock that is trusted"
    assert keeper.choose(NOW + BETWEEN_TRUSTED), "though nobody tells it again"
    assert keeper.signed() == [ended]
    assert not keeper.choose(NOW + BETWEEN_TRUSTED)


def test_of_two_statements_of_one_time_the_first_one_counts_however_often_they_are_told(
    people: Administrators,
) -> None:
    chain, keeper = chain_of(people), SuspensionKeeper()
    first, other = stated(people, chain.place), stated(people, chain.place, ends=True)
    for told in ([first], [other], [first], [other]):
        keeper.take(told, chain, NOW + BETWEEN_TRUSTED)
        assert keeper.signed() == [first]


def test_a_statement_that_comes_early_counts_once_its_time_has_come(people: Administrators) -> None:
    chain, keeper = chain_of(people), SuspensionKeeper()
    early = stated(people, chain.place, BETWEEN_TRUSTED + SECOND)
    ended = stated(people, chain.place, ends=True)
    keeper.take([ended, early], chain, NOW + BETWEEN_TRUSTED)
    assert (keeper.signed(), keeper.kept()) == ([ended], [ended, early])
    assert keeper.choose(NOW + BETWEEN_TRUSTED + SECOND)
    assert keeper.signed() == [early]


@settings(max_examples=20, deadline=None)
@given(ahead=st.integers(0, 2 * MOST_KEPT))
def test_however_many_statements_are_dated_ahead_the_last_one_before_counts_and_few_are_kept(
    people: Administrators, ahead: int
) -> None:
    chain = chain_of(people)
    told = [proven(stated(people, chain.place, at * SECOND), chain) for at in range(-2, ahead)]
    kept = worth_keeping(told, NOW - SECOND)
    assert in_force(kept, NOW - SECOND) is told[1]
    assert kept == told[1 : 1 + MOST_KEPT]
    assert in_force(worth_keeping(told, None), None) is told[-1]


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(4)), pieces=st.integers(1, 4))
def test_in_whatever_order_statements_come_the_last_one_counts(
    people: Administrators, order: list[int], pieces: int
) -> None:
    chain = chain_of(people)
    signed = [stated(people, chain.place, (at + 1) * SECOND, ends=at % 2 == 0) for at in range(4)]
    known: list[ProvenSuspension] = []
    told = [signed[at] for at in order]
    for first in range(0, len(told), pieces):
        further, _ = proven_each(told[first : first + pieces], chain, known)
        known = chosen([*known, *further], None).all()
    assert chosen(known, None).in_force["henan"].signed == signed[-1]
