"""The tables of what programs of others found: where their figures come from, and that they name all that is served."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from region_node.open_api.served import served_apis
from tests.third_party.results import DESCRIBED, FILED, PROPERTY, TRIALS, Call, Results, Tried, shown, with_results

PAGE = Path(__file__).parents[2] / "docs" / "integrating.md"
EMPTY = "above\n<!-- third party -->\n<!-- end -->\nbelow\n"
V4, V5 = "/tmf-api/troubleTicket/v4", "/tmf-api/troubleTicket/v5"


def test_the_page_has_a_row_for_each_api_and_a_cell_for_each_trial() -> None:
    rows = re.findall(r"^\| TMF\d{3} [^|]+ `(/tmf-api/[^`]+)` \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [root for root, _ in rows] == [api.root for api in served_apis()]
    cells = [cell for _, told in rows for cell in told.split(" | ")]
    assert len(cells) == len(rows) * len(TRIALS)
    assert [each for each in cells if not re.fullmatch(r"not run|[\d,]+ cases, [\d,]+ failed", each)] == []


def test_the_page_is_what_the_command_writes() -> None:
    page = PAGE.read_text("utf-8")
    assert with_results(page, [], []) == page


def test_a_result_replaces_its_own_cell_alone_and_calls_replace_all_calls() -> None:
    first = [Tried(V4, DESCRIBED.source, 1782, 0), Tried(V5, FILED.source, 16299, 3)]
    calls = [Call("GET", f"{V5}/troubleTicket/a%2Fb", 200), Call("GET", f"{V5}/troubleTicket/c/d", 404)]
    page = with_results(with_results(EMPTY, first, calls), [Tried(V4, DESCRIBED.source, 10, 1)], [])
    assert shown(page) == {
        (V4, DESCRIBED.source): "10 cases, 1 failed",
        (V5, FILED.source): "16,299 cases, 3 failed",
    }
    assert "| `GET troubleTicket/v5/troubleTicket/{id}` | 2 | 200, 404 |\n" in page
    assert (page[:6], page[-6:]) == ("above\n", "below\n")
    again = with_results(page, [], [Call("POST", f"{V5}/troubleTicket", 201)])
    assert "`GET troubleTicket" not in again
    assert "| `POST troubleTicket/v5/troubleTicket` | 1 | 201 |\n<!-- end -->" in again


def test_cases_that_fail_or_end_in_an_error_are_counted_as_failed() -> None:
    report = {"test_cases": {"generated": 9, "with_failures": 2, "unique_failures": 1, "errored": 3}}
    assert Tried.reported(V4, FILED, json.dumps(report)) == Tried(V4, FILED.source, 9, 5)


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_results_are_taken_from_tests_that_pass_and_that_fail(outcome: str) -> None:
    tried, call = Tried(V4, FILED.source, 9, 5), Call("GET", f"{V4}/troubleTicket", 200)
    properties = [("other", "1"), (PROPERTY, str(tried)), (PROPERTY, str(call))]
    results = Results()
    for when in ("setup", "call", "teardown"):
        report = SimpleNamespace(when=when, outcome=outcome, user_properties=properties)
        results.pytest_runtest_logreport(cast(pytest.TestReport, report))
    assert (results.tried, results.calls) == ([tried], [call])
