"""Tables on terminals that are narrow."""

from datetime import timedelta

import pytest

from coordinator.cli.network import problems
from gateway import terminal
from gateway.api.coordinator.v1.problem_service_pb2 import AffectedCount, Problem
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_LINK,
    PROBLEM_STATE_IN_PROGRESS,
    NetworkElement,
    ProblemHeader,
)
from gateway.clock import to_timestamp
from tests.unit.network_events import NOON

NAME = "problem-20261210-1f0c3a5b"


@pytest.mark.parametrize(("name", "is_whole"), [(NAME, True), ("x" * 41, False)])
def test_what_names_a_row_is_not_folded_unless_it_is_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, is_whole: bool
) -> None:
    monkeypatch.setattr(terminal, "_PIPED_WIDTH", 50)
    terminal.print_table(["problem", "services"], [(name, "lines-chengdu-guangzhou " * 5)])
    printed = capsys.readouterr().out
    assert (name in printed) == is_whole
    assert "".join(printed.split()).count("lines-chengdu-guangzhou") >= 1


def test_a_narrow_terminal_is_shown_of_a_problem_what_cannot_be_missed() -> None:
    header = ProblemHeader(
        id=NAME,
        state=PROBLEM_STATE_IN_PROGRESS,
        root_cause=NetworkElement(kind=NETWORK_ELEMENT_KIND_LINK, id="chengdu-guangzhou-1"),
        start_time=to_timestamp(NOON),
        services=["lines-chengdu-guangzhou"],
    )
    found = [Problem(header=header, affected=[AffectedCount(region="sichuan", customers=7, complaints=2)])]
    wide, narrow = (
        problems.list_columns(found, NOON + timedelta(hours=1), is_narrow=is_narrow) for is_narrow in (False, True)
    )
    assert (narrow["problem"], narrow["customers"]) == ([NAME], ["7"])
    assert set(wide) - set(narrow) == {"severity", "services", "regions", "complaints"}
