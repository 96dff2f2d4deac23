"""How much has to speak for a cause before it is claimed."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.problems.evidence import Witness, confidence, evidence, points_of

WINDOW = 100

witnesses = st.lists(
    st.builds(
        Witness,
        st.integers(0, 500),
        st.sampled_from("abcde"),
        st.builds(points_of, st.integers(0, 5), is_fault=st.booleans(), is_of_one_line=st.booleans()),
        st.just(False),
    )
    | st.builds(Witness, st.integers(0, 500), st.just("cause"), st.integers(0, 12), st.just(True)),
    max_size=12,
).map(lambda found: sorted(found, key=lambda each: each.time))


@given(witnesses)
def test_evidence_is_that_of_the_window_in_which_most_was_told(told: list[Witness]) -> None:
    best = 0
    most = {each.place: max(other.points for other in told if other.place == each.place) for each in told}
    for last in told:
        within = [each for each in told if last.time - WINDOW <= each.time <= last.time and each.points]
        of_itself = sum(each.points for each in within if each.is_of_cause)
        around = sum(most[place] for place in {each.place for each in within if not each.is_of_cause})
        if of_itself >= 6 or of_itself + around >= 12:
            best = max(best, of_itself + around)
    assert evidence(told, WINDOW) == best


@given(witnesses, st.data())
def test_who_says_more_never_makes_a_claim_less_sure(told: list[Witness], data: st.DataObject) -> None:
    fewer = [each for each in told if data.draw(st.booleans())]
    assert evidence(fewer, WINDOW) <= evidence(told, WINDOW)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_confidence_grows_with_evidence_and_is_never_certain(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert confidence(less) <= confidence(more) < 100
    assert (confidence(one) > 0) == (one > 0)


def test_the_least_that_is_claimed_is_two_thirds_sure() -> None:
    assert (confidence(0), confidence(6), confidence(12), confidence(600)) == (0, 66, 80, 99)
