"""Which assignments of a number count: only a region's own numbers, proven by it, in any order of their arrival."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.configuration.assigning import require_kept, require_proven
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException, PrefixRange, Region
from gateway.api.federation.v1.configuration_pb2 import NumberPlan as Plan
from gateway.api.federation.v1.federation_pb2 import NumberAssignment
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.assignments import AssignmentBook, Standing, is_proven
from gateway.federation.numberplan import NumberPlan
from tests.number_assignments import NOW, Giver, authority, book_of, chain, giver, trusted

NUMBER, OTHER = "+8619844000001", "+8619844000002"
HOME, NEW, THIRD, THIEF = "sichuan", "guangdong", "henan", "hubei"
YEAR = timedelta(days=365)


def plan(*exceptions: NumberException, home: str = HOME) -> Plan:
    return Plan(prefixes=[PrefixRange(region=home, prefixes=[NUMBER[:8]])], exceptions=exceptions)


def configured(wanted: Plan, *regions: str) -> Configuration:
    """A configuration with a number plan, of these regions or of all."""
    return Configuration(number_plan=wanted, regions=[Region(id=each) for each in regions or (HOME, NEW, THIRD)])


def exception(region: str, outranked: int = 0) -> NumberException:
    return NumberException(number=NUMBER, region=region, outranked_sequence=outranked)


def home(configured: Plan, *assignments: NumberAssignment) -> str | None:
    return NumberPlan(configured, book_of(assignments)).home_of(NUMBER)


def test_the_last_assignment_counts_in_whatever_order_they_came_and_a_gap_waits_for_what_is_missing() -> None:
    made = chain(NUMBER, HOME, NEW, THIRD, HOME, NEW)
    for order in permutations(made):
        book, numbers = AssignmentBook(), NumberPlan(plan())
        for each in order:
            book = book.with_added([each], {each.certificate_hash: giver(each.giver).certificate})
            numbers = numbers.with_book(book, [NUMBER])
        assert numbers.home_of(NUMBER) == NEW
        assert numbers.standing(NUMBER).counted == tuple(made)
        assert NumberPlan(plan(), book).exception_of(NUMBER) == NEW, "a plan made anew knows the same"
    assert home(plan(), made[0], made[2], made[3]) == NEW, "it stays at the first one until the second is known"
    assert home(plan(), *made[1:]) == HOME
    assert NumberPlan(plan(), book_of(made)).home_of(OTHER) == HOME


@given(st.permutations(chain(NUMBER, HOME, NEW, THIRD)), st.integers(0, 3), st.integers(1, 3))
def test_a_region_that_signs_what_it_does_not_have_changes_nothing_for_ever(
    honest: list[NumberAssignment], place: int, sequence: int
) -> None:
    stolen = giver(THIEF).gives(NUMBER, THIEF, Standing(THIEF, sequence - 1), NOW + YEAR)
    known = [*honest[:place], stolen, *honest[place:]]
    assert home(plan(), *known) == THIRD


def test_a_region_that_has_had_a_number_gives_it_away_no_more() -> None:
    made = chain(NUMBER, HOME, NEW, THIRD)
    for sequence in range(1, 5):
        again = giver(HOME).gives(NUMBER, THIEF, Standing(HOME, sequence - 1), NOW + YEAR)
        if sequence > 1:
            assert home(plan(), *made, again) == THIRD, sequence


def test_an_exception_is_where_the_assignments_begin_or_outranks_them() -> None:
    made = chain(NUMBER, HOME, NEW, THIRD)
    assert home(plan(exception(HOME), home=NEW), *made) == THIRD, "it names the first giver, whatever the prefix says"
    assert home(plan(exception(NEW, outranked=2)), *made) == NEW
    assert home(plan(exception(HOME, outranked=2)), *made) == HOME
    after = giver(HOME).gives(NUMBER, NEW, Standing(HOME, 2), NOW)
    assert home(plan(exception(HOME, outranked=2)), *made, after) == NEW, "the number moves on from there"
    assert home(plan(exception(HOME)), *made, after) == THIRD


def test_a_number_plan_that_takes_a_moved_number_from_its_home_is_refused_and_an_outranking_exception_is_not() -> None:
    made = chain(NUMBER, HOME, NEW)
    before = NumberPlan(plan())
    for wanted in (plan(exception(HOME), home=THIRD), plan(exception(THIRD, outranked=1)), plan()):
        require_kept(before, configured(wanted), made)
    for lacking in (
        configured(plan(home=THIRD)),
        configured(plan(exception(THIRD))),
        configured(Plan()),
        configured(plan(), HOME, THIRD),
    ):
        with pytest.raises(Refused) as refused:
            require_kept(before, lacking, made)
        assert refused.value.reason == Reason.REASON_NUMBER_ASSIGNMENTS_LOST
        assert refused.value.parameters == {"count": "1", "numbers": NUMBER}


def test_an_assignment_is_proven_by_the_certificate_of_then_and_by_nothing_else() -> None:
    keys, (made,) = trusted(), chain(NUMBER, HOME, NEW)
    certificate = giver(HOME).certificate
    assert is_proven(made, certificate, keys), "years later, too: no clock is asked"
    for field, value in {
        "number": OTHER,
        "region": THIRD,
        "giver": NEW,
        "sequence": 2,
        "sign_time_us": made.sign_time_us + 1,
        "certificate_hash": bytes(32),
        "signature": bytes(64),
    }.items():
        forged = NumberAssignment()
        forged.CopyFrom(made)
        setattr(forged, field, value)
        assert not is_proven(forged, certificate, keys), field
    assert not is_proven(made, giver(NEW).certificate, keys)
    assert not is_proven(made, b"", keys)
    for name, forged in {
        "of the time after its certificate": giver(HOME).gives(NUMBER, NEW, Standing(HOME, 0), NOW + YEAR),
        "in the name of another region": giver(THIEF).gives(NUMBER, THIEF, Standing(HOME, 0), giver=HOME),
        "beyond any calendar": giver(HOME).gives(NUMBER, NEW, Standing(HOME, 0, 2**62 - 2)),
        "without a place": NumberAssignment(number=NUMBER, region=NEW, giver=HOME),
        "of the largest numbers": NumberAssignment(number=NUMBER, sequence=2**64 - 1, sign_time_us=2**64 - 1),
    }.items():
        assert not is_proven(forged, certificate, keys), name
    assert not is_proven(
        giver(THIEF).gives(NUMBER, THIEF, Standing(HOME, 0), giver=HOME), giver(THIEF).certificate, keys
    )


def test_a_former_certificate_proves_what_was_signed_while_it_was_valid() -> None:
    keys, renewed = trusted(), Giver(HOME, authority(), NOW + YEAR)
    keys.accept(HOME, renewed.certificate, NOW + YEAR)
    (made,) = chain(NUMBER, HOME, NEW)
    assert is_proven(made, giver(HOME).certificate, keys)
    back = renewed.gives(NUMBER, NEW, Standing(HOME, 2), NOW + YEAR)
    assert is_proven(back, renewed.certificate, keys)


def test_a_coordinator_takes_an_assignment_from_its_giver_alone_and_says_why_it_takes_no_other() -> None:
    keys, (made,) = trusted(), chain(NUMBER, HOME, NEW)
    require_proven(made, giver(HOME).certificate, HOME, keys)
    unsigned = NumberAssignment(number=NUMBER, region=NEW)  # as versions before sent them
    written = NumberAssignment()
    written.CopyFrom(made)
    written.number = "198 4400 0001"
    for name, wanted, caller, reason in (
        ("unsigned", unsigned, HOME, Reason.REASON_NUMBER_ASSIGNMENT_UNPROVEN),
        ("of another region", made, THIEF, Reason.REASON_NOT_HOME),
        ("not in E.164", written, HOME, Reason.REASON_NUMBER_INVALID),
    ):
        with pytest.raises(Refused) as refused:
            require_proven(wanted, giver(HOME).certificate, caller, keys)
        assert refused.value.reason == reason, name
