"""Files of alarms and measurements: a line that tells nothing says what to write instead."""

from pathlib import Path

import pytest

from gateway.api.federation.v1.problem_pb2 import PERCEIVED_SEVERITY_CRITICAL
from gateway.api.region.v1.alarm_pb2 import AlarmState, AlarmType
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from region_node.cli.imports.network_file import Item, NetworkFile

TIME = "2026-11-01T09:00:00+08:00"


def only_line(path: Path, text: str) -> Item[AlarmReport]:
    path.write_text(text, "utf-8")
    (found,) = NetworkFile(path, AlarmReport).items()
    return found


@pytest.mark.parametrize("written", ["quality-of-service", "Quality of Service", "ALARM_TYPE_QUALITY_OF_SERVICE"])
def test_a_word_of_a_choice_may_be_written_in_several_ways(tmp_path: Path, written: str) -> None:
    header = "external_id,state,event_time,link,alarm_type,perceived_severity"
    found = only_line(tmp_path / "a.csv", f"{header}\n7,raised,{TIME},a-b-1,{written},critical\n").content
    assert found is not None
    assert (found.state, found.alarm_type, found.perceived_severity, found.alarmed_object.link) == (
        AlarmState.ALARM_STATE_RAISED,
        AlarmType.ALARM_TYPE_QUALITY_OF_SERVICE,
        PERCEIVED_SEVERITY_CRITICAL,
        "a-b-1",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            '{"alarm_type": "link-down"}',
            "alarm_type link-down is none of communications, processing-error, environmental, quality-of-service,"
            " equipment",
        ),
        ('{"state": "unspecified"}', "state unspecified is none of raised, updated, cleared"),
        ('{"severity": "major"}', "there is no severity; the names are external_id, state, event_time, site, link,"),
        ('{"state": 1e400}', "Failed to parse state field: the number is too large"),
        ("{}{}", "Extra data"),
        ('{"a":' * 100_000, "it is nested too deep"),
        ('{"\\ud800": 1}', "'utf-8' codec can't encode character"),
    ],
    ids=lambda text: text[:20],
)
def test_a_line_that_tells_nothing_says_which_words_and_names_there_are(
    tmp_path: Path, line: str, problem: str
) -> None:
    found = only_line(tmp_path / "a.jsonl", line)
    assert found.content is None
    assert found.problem.startswith(problem)


def test_names_may_be_written_as_in_json_of_the_contract(tmp_path: Path) -> None:
    found = only_line(tmp_path / "a.jsonl", '{"externalId": "7", "perceivedSeverity": "critical"}').content
    assert found is not None
    assert (found.external_id, found.perceived_severity) == ("7", PERCEIVED_SEVERITY_CRITICAL)
