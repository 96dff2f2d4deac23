"""The output of `region-node retention`, `customers holds` and `impact-records` without content."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.api.region.v1 import retention_service_pb2 as api
from region_node.cli.connection import Target
from region_node.cli.main import main

CONNECTION = ["--node", "127.0.0.1:1", "--federation", "f", "--region", "sichuan"]


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (["retention", "report"], api.ListPurgesResponse(), "Nothing was purged yet"),
        (["customers", "holds"], api.ListHoldsResponse(), "There is no hold."),
        (["impact-records", "list"], api.ListImpactRecordsResponse(), "No assessment is recorded."),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_empty_answer_says_so_to_people_and_is_empty_to_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], answer: object, said: str, *, as_json: bool
) -> None:
    monkeypatch.setattr(Target, "call", lambda *_: answer)
    options = [*CONNECTION, "--credentials", str(tmp_path), *(["--json"] if as_json else [])]
    told = CliRunner().invoke(main, [*words, *options])
    assert told.exit_code == 0, told.output
    assert (said in told.output) != as_json


COMMANDS = [
    (["customers", "hold"], "not known: run it again"),
    (["customers", "release-hold"], "not known: run it again"),
    (["impact-records", "record"], "not known: run it again"),
    (["customers", "holds"], "cannot answer just now"),
    (["retention", "report"], "cannot answer just now"),
    (["impact-records", "list"], "cannot answer just now"),
]


@pytest.mark.parametrize(("words", "said"), COMMANDS)
def test_each_command_tells_its_exit_codes(words: list[str], said: str) -> None:
    told = CliRunner().invoke(main, [*words, "--help"])
    assert "Exit codes:" in told.output
    assert said in told.output
