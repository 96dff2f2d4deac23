"""The order, and the children, in which regions receive problems."""

from datetime import timedelta

from coordinator.problems import rules
from coordinator.problems.following import header_for, in_order
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.federation.v1.problem_pb2 import ProblemHeader, ProblemState
from gateway.time.clock import to_timestamp
from tests.unit.network_events import NOON


def problem(name: str, minutes: int, state: ProblemState.ValueType = rules.IN_PROGRESS) -> Problem:
    start = to_timestamp(NOON + timedelta(minutes=minutes))
    return Problem(header=ProblemHeader(id=name, state=state, start_time=start, version=1))


def test_that_a_problem_is_a_part_of_another_is_told_before_how_that_one_stands() -> None:
    found = in_order([problem("older", 0), problem("newer", 2), problem("part", 1, rules.CANCELLED)])
    assert [each.header.id for each in found] == ["part", "newer", "older"]


def test_a_region_is_told_of_its_own_children_alone() -> None:
    header = problem("one", 0).header
    header.child_ids.extend(["guangdong/alarm/1", "sichuan/alarm/2", "sichuan/fault/3"])
    assert list(header_for("sichuan", header).child_ids) == ["sichuan/alarm/2", "sichuan/fault/3"]
    assert list(header_for("henan", header).child_ids) == []
    assert len(header.child_ids) == 3
