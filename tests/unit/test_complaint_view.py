"""How complaints are shown: a bar whose parts are together the whole, whatever was rounded."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import LedgerEntry, TimeReason
from region_node.cli.complaints.complaint_view import print_ledger

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
    print_ledger(entries)
    _, first, second, last = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["region-0", "working", "3:00", "75%"]
    assert second.split()[:6] == ["the", "customer", "waiting", "for", "customer", "1:00"]
    assert (first.count("█"), second.count("█")) == (30, 10)
    assert second.index("█") == first.index("█") + 30
    assert last.split() == ["together", "4:00"]


@given(LENGTHS)
def test_the_parts_of_a_bar_are_the_whole_bar(lengths: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr(
            "region_node.cli.complaints.complaint_view.print_table",
            lambda _, rows: lines.extend(str(row[-1]) for row in rows),
        )
        print_ledger(ledger(lengths))
    assert sum(line.count("█") for line in lines) == 40
