"""Each region tells others which configuration it holds: a split view and a withheld revision are found, once."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import DisputedRevision
from gateway.api.region.v1.witnessing_pb2 import HeldRevision
from gateway.auditing import audit
from gateway.federation.revisions import Chain
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from region_node.node.witnessing import rows
from region_node.node.witnessing.notifier import ANSWER_SECONDS, LOOK_AGAIN, is_due
from region_node.node.witnessing.revisions import (
    LOOK,
    RECENT,
    SILENT,
    WITHHELD_AFTER,
    DisputeKind,
    Known,
    disputes,
    hear,
    raise_new,
)
from tests.administrators import Administrators
from tests.empty_database import empty_database
from tests.unit.situations import NOW

OTHER = "henan"
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def chain_of(people: Administrators, *names: str) -> Chain:
    """The chain of configurations with one region each, by these names."""
    chain = Chain.of(people.anchor)
    for name in names:
        wanted = Configuration(federation="demo.example", regions=[Region(id=name)])
        chain = chain.followed((people.signed(chain.place, wanted, NOW).revision,))
    return chain


def known(chain: Chain, *, reads_all: bool = True) -> Known:
    return Known(chain.place.revision, chain, reads_all)


@pytest.fixture(name="people", scope="module")
def two_administrators(tmp_path_factory: pytest.TempPathFactory) -> Administrators:
    return Administrators(tmp_path_factory.mktemp("anchor"), "demo.example")


@contextlib.contextmanager
def new_transaction() -> Iterator[Transaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


@pytest.fixture(name="tx")
def transaction() -> Iterator[Transaction]:
    with new_transaction() as tx:
        yield tx


class Raised:
    """The disputes raised to people."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int]] = []

    def look(self, tx: Transaction, own: Known, after: timedelta) -> None:
        """A look of the region after a time."""
        raise_new(tx, own, NOW + after, self._note)

    def _note(self, tx: Transaction, dispute: DisputedRevision, _: object) -> None:
        self.found.append((dispute.region, dispute.revision))


def actions(tx: Transaction) -> list[str]:
    return [row.action for row in audit.rows(tx) if row.action.startswith("REVISION_")]


def kinds(tx: Transaction, own: Known, after: timedelta) -> list[DisputeKind]:
    return [kind for kind, _ in disputes(tx, own, NOW + after)]


def test_two_configurations_of_one_revision_are_found_at_once_and_raised_once(
    tx: Transaction, people: Administrators
) -> None:
    own, other, raised = known(chain_of(people, "a", "b")), known(chain_of(people, "a", "c")), Raised()
    for minutes in range(3):
        hear(tx, own, OTHER, other.held(), NOW + minutes * MINUTE)
        raised.look(tx, own, minutes * MINUTE)
    assert raised.found == [(OTHER, 2)]
    ((kind, dispute),) = disputes(tx, own, NOW + 3 * MINUTE)
    assert (kind, dispute.configuration_digest) == (DisputeKind.SPLIT, other.digest_of(2))
    assert (dispute.known_digest, dispute.begin_time.ToDatetime(NOW.tzinfo)) == (own.digest_of(2), NOW)
    assert kinds(tx, own, 2 * MINUTE + SILENT + SECOND) == [], "it may have left the federation"
    assert actions(tx) == ["REVISION_CONTRADICTED"]
    (row,) = [row for row in audit.rows(tx) if row.action == "REVISION_CONTRADICTED"]
    assert (row.actor, row.subject) == (f"region/{OTHER}", "configuration/2")
    assert own.digest_of(2).hex() in row.detail
    assert other.digest_of(2).hex() in row.detail


def seconds_until(own: Known, other: Known, *, teller_finds: bool, witness_finds: bool) -> float:
    """The seconds after which two regions have found what differs, which begins just after a statement."""
    teller, witness, looks, told = Raised(), Raised(), 0, SILENT
    assert LOOK == LOOK_AGAIN, "seconds of both loops: one count serves"
    with new_transaction() as tx, new_transaction() as there:
        rows.claim(tx, OTHER, NOW)  # the last statement of one view
        while (bool(teller.found), bool(witness.found)) != (teller_finds, witness_finds):
            looks += 1
            now = NOW + looks * LOOK * SECOND
            teller.look(tx, own, now - NOW)
            witness.look(there, other, now - NOW)
            if is_due(tx, OTHER, now):
                assert rows.claim(tx, OTHER, now) is not None
                told = now - NOW + ANSWER_SECONDS * SECOND  # as late as an answer counts
            if now == NOW + told:
                hear(there, other, "sichuan", own.held(), now)
                hear(tx, own, OTHER, other.held(), now)
            assert looks * LOOK <= 2 * MINUTE.total_seconds()
    return looks * LOOK


def test_both_regions_find_a_split_view_within_a_minute_though_it_begins_just_after_a_statement(
    people: Administrators,
) -> None:
    own, other = known(chain_of(people, "a", "b")), known(chain_of(people, "a", "c"))
    assert seconds_until(own, other, teller_finds=True, witness_finds=True) <= MINUTE.total_seconds()


@pytest.mark.parametrize("is_teller", [True, False])
def test_a_region_finds_a_withheld_revision_within_a_minute_though_it_begins_just_after_a_statement(
    people: Administrators, *, is_teller: bool
) -> None:
    views = [known(chain_of(people, "a")), known(chain_of(people, "a", "b"))]
    own, other = views if is_teller else reversed(views)
    found = seconds_until(own, other, teller_finds=is_teller, witness_finds=not is_teller)
    assert found <= MINUTE.total_seconds()


def test_a_split_view_is_found_of_an_earlier_revision_too(tx: Transaction, people: Administrators) -> None:
    own, other, raised = known(chain_of(people, "a", "b", "d")), known(chain_of(people, "a", "c")), Raised()
    hear(tx, own, OTHER, other.held(), NOW)
    raised.look(tx, own, SECOND)
    assert raised.found == [(OTHER, 2)]


def test_regions_of_one_history_differ_in_nothing(tx: Transaction, people: Administrators) -> None:
    own = known(chain_of(people, "a", "b", "c"))
    for other in (known(chain_of(people, "a")), own, Known(2, None), Known(0, None)):
        hear(tx, own, OTHER, other.held(), NOW)
        assert kinds(tx, own, 5 * MINUTE) == []


def test_a_region_of_another_anchor_holds_the_same_configuration(tx: Transaction, people: Administrators) -> None:
    own = chain_of(people, "a", "b")
    anchor = type(people.anchor)()
    anchor.CopyFrom(own.place)
    anchor.digest = own.configuration_digest  # as the administrators make it after their keys were stolen
    hear(tx, known(own), OTHER, known(Chain.of(anchor)).held(), NOW)
    assert kinds(tx, known(own), SECOND) == []


def test_a_later_revision_is_raised_after_its_time_and_not_before_nor_twice(
    tx: Transaction, people: Administrators
) -> None:
    own, other, raised = known(chain_of(people, "a")), known(chain_of(people, "a", "b")), Raised()
    hear(tx, own, OTHER, other.held(), NOW)
    raised.look(tx, own, WITHHELD_AFTER - SECOND)
    assert raised.found == []
    for minutes in (1, 2):
        hear(tx, own, OTHER, other.held(), NOW + minutes * MINUTE)
        raised.look(tx, own, minutes * MINUTE)
    assert raised.found == [(OTHER, 2)]
    assert actions(tx) == ["REVISION_WITHHELD"]
    assert kinds(tx, own, 2 * MINUTE) == [DisputeKind.WITHHELD]
    assert kinds(tx, other, 2 * MINUTE) == [], "it came"


def test_a_region_that_follows_a_little_later_each_time_is_no_dispute(tx: Transaction, people: Administrators) -> None:
    chains, raised = [known(chain_of(people, *"abcd"[:count])) for count in (1, 2, 3, 4)], Raised()
    for minutes in range(3):
        own = chains[minutes]
        hear(tx, own, OTHER, chains[minutes + 1].held(), NOW + minutes * MINUTE)
        raised.look(tx, own, minutes * MINUTE + SECOND)
    assert raised.found == []


def test_a_process_that_has_just_started_calls_nobody_for_what_another_one_of_its_region_has(
    tx: Transaction, people: Administrators
) -> None:
    chain, raised = chain_of(people, "a"), Raised()
    hear(tx, known(chain), OTHER, known(chain).held(), NOW)
    raised.look(tx, known(Chain.of(people.anchor)), MINUTE)
    assert raised.found == []


@pytest.mark.parametrize("silence", [RECENT + SECOND, timedelta(days=3)])
def test_a_region_that_was_down_waits_anew(tx: Transaction, people: Administrators, silence: timedelta) -> None:
    own, other, raised = known(chain_of(people, "a")), known(chain_of(people, "a", "b")), Raised()
    hear(tx, own, OTHER, other.held(), NOW)
    raised.look(tx, own, silence)
    hear(tx, own, OTHER, other.held(), NOW + silence)
    raised.look(tx, own, silence + SECOND)
    assert raised.found == []


def test_a_version_that_cannot_read_a_later_revision_knows_why_it_lacks_it(
    tx: Transaction, people: Administrators
) -> None:
    own, other, raised = known(chain_of(people, "a"), reads_all=False), known(chain_of(people, "a", "b")), Raised()
    for minutes in range(3):
        hear(tx, own, OTHER, other.held(), NOW + minutes * MINUTE)
        raised.look(tx, own, minutes * MINUTE)
    assert raised.found == []


@pytest.mark.parametrize(
    "told",
    [HeldRevision(revision=2**63), HeldRevision(revision=1, configuration_digest=b"short")],
    ids=["high", "short"],
)
def test_what_no_revision_can_be_is_not_stored(tx: Transaction, people: Administrators, told: HeldRevision) -> None:
    hear(tx, known(chain_of(people, "a")), OTHER, told, NOW)
    assert tx.all(int, "SELECT COUNT(*) FROM told_revisions") == [0]


@settings(max_examples=30, deadline=None)
@given(
    told=st.lists(
        st.tuples(st.integers(0, 2**63 - 1) | st.integers(0, 4), st.sampled_from((b"", bytes(32)))), max_size=20
    )
)
def test_a_region_that_invents_revisions_calls_people_at_most_once_for_each_that_this_one_has(
    people: Administrators, told: list[tuple[int, bytes]]
) -> None:
    with contextlib.ExitStack() as stack:
        tx, raised = stack.enter_context(new_transaction()), Raised()
        own = known(chain_of(people, "a", "b"))
        for minutes, (revision, digest) in enumerate(told):
            hear(tx, own, OTHER, HeldRevision(revision=revision, configuration_digest=digest), NOW + minutes * MINUTE)
            raised.look(tx, own, minutes * MINUTE + 30 * SECOND)
        assert len([each for _, each in raised.found if each > 2]) <= 1
        assert len([each for _, each in raised.found if each <= 2]) <= 2
