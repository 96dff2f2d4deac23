"""How complaints are shown: a bar whose parts are together the whole, whatever was rounded."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import Complaint, LedgerEntry, TimeReason
from gateway.cli.complaints import show_ledger
from gateway.time.clock import to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.course import happened, length_of
from region_node.cli.complaints.complaint_view import COMPLAINTS, print_told
from tests.unit.complaint_scene import at, complaint

LENGTHS = st.lists(st.integers(1, 10**6), min_size=1, max_size=6)


def ledger(lengths: list[int]) -> list[LedgerEntry]:
    entries = []
    for number, length in enumerate(lengths):
        entry = LedgerEntry(region=f"region-{number}", reason=TimeReason.TIME_REASON_WORKING)
        entry.duration.FromTimedelta(timedelta(seconds=length))
        entries.append(entry)
    return entries


def test_the_ledger_is_a_bar_of_who_held_a_complaint_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    entries = ledger([3 * 3600, 3600])
    entries[1].region, entries[1].reason = "", TimeReason.TIME_REASON_WAITING_FOR_CUSTOMER
    show_ledger(entries, length_of)
    _, first, second, last = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["region-0", "working", "3:00", "75.0%"]
    assert second.split()[:6] == ["the", "customer", "waiting", "for", "customer", "1:00"]
    assert (first.count("█"), second.count("█")) == (21, 7)
    assert second.index("█") == first.index("█") + 21
    assert last.split() == ["together", "4:00", "100.0%"]


@given(LENGTHS)
def test_the_parts_of_a_bar_are_the_whole_bar(lengths: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr(
            "gateway.cli.table.print_table",
            lambda _, rows, *__, **___: lines.extend(str(row[-1]) for row in rows),
        )
        show_ledger(ledger(lengths), length_of)
    assert sum(line.count("█") for line in lines) == 28


@pytest.mark.parametrize("show", [print_told, COMPLAINTS.show_one])
def test_what_nobody_has_yet_is_said_to_be_with_nobody(
    capsys: pytest.CaptureFixture[str], show: Callable[[Complaint], None]
) -> None:
    start = at("2026-03-02T09:00:00")
    found = complaint(start)
    found.department.en = "Billing"
    rules.hand_over(found, "", rules.WAITING_FOR_COORDINATOR, start)
    show(found)
    told = capsys.readouterr().out
    assert ("nobody" in told, "Billing" in told) == (True, False)


@pytest.mark.parametrize(
    ("home", "unassigned", "told", "promised"),
    [
        ("sichuan", False, "", True),
        ("sichuan", True, "No customer of sichuan has the number: check it.", False),
        ("", False, "The number is of no region of the federation: check it.", True),
    ],
)
def test_a_number_of_nobody_is_told_and_no_answer_is_promised_to_it(
    capsys: pytest.CaptureFixture[str], home: str, unassigned: bool, told: str, promised: bool
) -> None:
    found = complaint(at("2026-03-02T09:00:00"))
    found.department.en, found.home_region, found.number_unassigned = "Billing", home, unassigned
    print_told(found)
    first, *rest = capsys.readouterr().out.splitlines()
    assert ("sichuan Billing" in first, "answers by" in first) == (True, promised)
    assert "".join(rest) == told


@pytest.mark.parametrize(
    ("cause", "text", "told"),
    [
        ("", "", []),
        ("billing-error", "", ["proposed (billing-error)"]),
        ("", "an apology", ["proposed: an apology"]),
        ("billing-error", "an apology", ["proposed (billing-error): an apology"]),
    ],
)
def test_the_timeline_tells_what_is_kept_of_a_resolution_before_the_end(cause: str, text: str, told: list[str]) -> None:
    start = at("2026-03-02T09:00:00")
    found, end = complaint(start), start + timedelta(days=1)
    found.resolution.cause_code, found.resolution.text, found.resolution.author = cause, text, "sichuan"
    found.resolution.time.CopyFrom(to_timestamp(end))
    for state in (rules.RESOLVED, rules.CLOSED):
        rules.enter(found, state, now=end, region="sichuan", reason="told")
    *before, last = [what for _, _, what in sorted(happened(found), key=lambda row: row[0])]
    assert [what for what in before if what.startswith("proposed")] == told
    assert last.startswith("closed")
