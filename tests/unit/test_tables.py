"""Tables on terminals that are narrow."""

from datetime import timedelta

import pytest

from coordinator.cli import problems
from gateway.api.coordinator.v1.problem_service_pb2 import AffectedCount, Problem
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_LINK,
    PROBLEM_STATE_IN_PROGRESS,
    NetworkElement,
    ProblemHeader,
)
from gateway.api.region.v1.approval_service_pb2 import Approval, ApprovalAct, ApprovalState
from gateway.cli import terminal
from gateway.cli.problems import UNNAMED
from gateway.time.clock import to_timestamp
from region_node.cli import approvals
from tests.unit.network_events import NOON

NAME = "problem-20261210-1f0c3a5b"


@pytest.mark.parametrize(("name", "is_whole"), [(NAME, True), ("x" * 41, True), ("a name of words " * 3, False)])
def test_what_names_a_row_is_not_folded_unless_it_is_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, is_whole: bool
) -> None:
    monkeypatch.setattr(terminal, "_PIPED_WIDTH", 50)
    terminal.print_table(["problem", "services"], [(name, "lines-chengdu-guangzhou " * 5)])
    printed = capsys.readouterr().out
    assert (name in printed) == is_whole
    assert "".join(printed.split()).count("lines-chengdu-guangzhou") >= 1


def test_each_row_is_shown_by_itself_where_the_words_of_a_table_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_PIPED_WIDTH", 50)
    columns, row = (
        ["order", "business", "waits for", "why"],
        ("henan/counter/suspend-2", "SUSPEND", "", "REGION_NOT_JOINED"),
    )
    terminal.print_table(columns, [row], "Held orders")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "Held orders",
        "order henan/counter/suspend-2",
        "  business  SUSPEND",
        "  why       REGION_NOT_JOINED",
    ]


def test_no_word_of_a_table_is_folded_where_there_is_room_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_PIPED_WIDTH", 60)
    words = ("+8619851689478", "lines-chengdu-guangzhou", "Service level of leased lines, as told")
    terminal.print_table(["number", "service", "terms"], [words])
    printed = capsys.readouterr().out
    assert all(word in printed for words_of_cell in words for word in words_of_cell.split())
    assert max(map(len, printed.splitlines())) <= 60


def test_a_table_without_rows_says_that_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table(["fault", "place"], [])
    assert capsys.readouterr().out == "There is none.\n"
    terminal.print_table(["fault", "place"], [], "Faults")
    assert capsys.readouterr().out == "Faults\nThere is none.\n"


def test_a_narrow_terminal_is_shown_of_a_problem_what_cannot_be_missed_and_told_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    header = ProblemHeader(
        id=NAME,
        state=PROBLEM_STATE_IN_PROGRESS,
        root_cause=NetworkElement(kind=NETWORK_ELEMENT_KIND_LINK, id="chengdu-guangzhou-1"),
        start_time=to_timestamp(NOON),
        services=["lines-chengdu-guangzhou"],
    )
    found = [Problem(header=header, affected=[AffectedCount(region="sichuan", customers=7, complaints=2)])]
    for width, is_narrow in ((139, True), (140, False)):
        monkeypatch.setattr(terminal, "_PIPED_WIDTH", width)
        problems.problems_table(NOON + timedelta(hours=1), UNNAMED).show(found)
        printed = capsys.readouterr()
        assert (NAME in printed.out, "customers" in printed.out) == (True, True)
        assert ("services" in printed.out) != is_narrow
        told = "Not shown on less than 140 columns: severity, services, regions, complaints. --json has all.\n"
        assert printed.err == (told if is_narrow else "")


def test_a_list_of_approvals_names_both_people_on_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    confirmed = Approval(
        id="approval-1796000000000000",
        act=ApprovalAct.APPROVAL_ACT_ERASE_CUSTOMER,
        state=ApprovalState.APPROVAL_STATE_CONFIRMED,
        customer_id="sichuan-0000000000000001",
        proposer="zhang",
        propose_time=to_timestamp(NOON),
        expire_time=to_timestamp(NOON),
        decider="stolen",
        decide_time=to_timestamp(NOON),
    )
    for width in (60, 80, 139, 140):
        monkeypatch.setattr(terminal, "_PIPED_WIDTH", width)
        approvals.APPROVALS.show([confirmed])
        printed = capsys.readouterr().out
        assert [each in printed for each in ("proposed by", "zhang", "decided by", "stolen")] == [True] * 4, printed
