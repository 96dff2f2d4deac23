"""The repeats of a complaint, in whatever order regions learn of them."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from region_node.care.complaints.repeats import Filing, repeated_by, repeating

DAY = timedelta(days=1) // timedelta(microseconds=1)
FIRST = Filing("guangdong/20260301-9", 40 * DAY)

filings = st.lists(
    st.builds(
        Filing,
        st.builds(
            lambda region, number: f"{region}/20260301-{number}",
            st.sampled_from(["guangdong", "sichuan", "henan"]),
            st.integers(1, 400),
        ),
        st.integers(0, 90).map(lambda day: day * DAY),
    ),
    unique_by=lambda each: each.ticket_id,
    max_size=12,
)


def at(ticket_id: str, day: float) -> Filing:
    return Filing(ticket_id, round(day * DAY))


def test_what_was_filed_in_the_thirty_days_before_is_repeated_newest_first() -> None:
    known = [at("henan/20260301-1", 10), at("sichuan/20260301-1", 39), at("henan/20260301-2", 12), at("sichuan/2", 41)]
    assert repeated_by(FIRST, known) == ["sichuan/20260301-1", "henan/20260301-2", "henan/20260301-1"]
    assert repeated_by(FIRST, [at("henan/20260301-1", 9.999)]) == [], "longer ago"
    assert [each.ticket_id for each in repeating(FIRST, known)] == ["sichuan/2"]


def test_of_two_at_one_instant_the_ticket_id_says_which_is_the_first() -> None:
    tenth = Filing("guangdong/20260301-10", FIRST.filed)
    assert repeated_by(tenth, [FIRST]) == [FIRST.ticket_id]
    assert repeated_by(FIRST, [tenth]) == []


@given(filings)
def test_of_two_complaints_one_at_most_repeats_the_other_and_none_itself(known: list[Filing]) -> None:
    for one in known:
        assert not one.repeats(one)
        assert not any(one.repeats(other) and other.repeats(one) for other in known)


@given(filings.flatmap(st.permutations))
def test_whatever_order_a_home_region_hears_them_in_each_is_told_at_last_what_the_order_of_filing_says(
    heard: list[Filing],
) -> None:
    known: list[Filing] = []
    told: dict[str, list[str]] = {}
    for filing in heard:
        told[filing.ticket_id] = list(repeated_by(filing, known))
        for each in repeating(filing, known):
            found = repeated_by(each, [*known, filing])
            assert len(found) == len(told[each.ticket_id]) + 1, (
                "what is told later is more: so the order of it is plain"
            )
            told[each.ticket_id] = list(found)
        known.append(filing)
    assert told == {each.ticket_id: list(repeated_by(each, heard)) for each in heard}
