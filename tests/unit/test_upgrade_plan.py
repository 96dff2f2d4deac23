"""The plan of an upgrade: coordinators before regions, and what takes something away at last."""

import pytest

from coordinator.cli.upgrade.rules import Plan, StepKind, plan_of
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsResponse, Replica
from gateway.api.federation.v1.federation_pb2 import (
    Feature,
    Member,
    MemberProcess,
    MemberState,
    NodeReport,
    ProcessVersion,
    WaitingEnvelopes,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.capabilities import FEATURES
from gateway.federation.versions import has_form, rank

OLD, NEW = "0.3.0", "0.10.0"


def version(release: str, number: int = 170, contracting_files: int = 0) -> ProcessVersion:
    return ProcessVersion(version=release, schema_number=number, contracting_files=contracting_files)


def region(name: str, *versions: ProcessVersion | None, report: NodeReport | None = None) -> Member:
    """A region with a process of each version; None tells none, as an older coordinator."""
    endpoints = [f"{name}:{index}" for index in range(len(versions))]
    processes = [
        MemberProcess(endpoint=endpoint, version=told)
        for endpoint, told in zip(endpoints, versions, strict=True)
        if told is not None
    ]
    return Member(
        region=name,
        state=MemberState.MEMBER_STATE_JOINED if versions else MemberState.MEMBER_STATE_LOST,
        endpoints=endpoints,
        processes=processes,
        features=FEATURES,
        report=report,
    )


def told(coordinators: list[ProcessVersion], *members: Member) -> ListRegionsResponse:
    replicas = [
        Replica(name=f"coordinator/{index}", endpoint=f"c:{index}", version=each)
        for index, each in enumerate(coordinators)
    ]
    return ListRegionsResponse(replicas=replicas, members=members)


def steps(plan: Plan) -> list[tuple[StepKind, str, str]]:
    return [(each.kind, each.member, each.endpoint) for each in plan.steps]


def test_coordinators_are_replaced_first_then_each_process_of_the_regions() -> None:
    listed = told(
        [version(OLD), version(NEW)],
        region("henan", version(OLD), version(NEW, 171)),
        region("sichuan", version(NEW, 171)),
    )
    assert steps(plan_of(listed, version(OLD))) == [
        (StepKind.REPLACE_COORDINATOR, "coordinator/0", "c:0"),
        (StepKind.REPLACE_PROCESS, "henan", "henan:0"),
    ]


def test_the_command_itself_may_have_the_newest_version() -> None:
    plan = plan_of(told([version(OLD)], region("henan", version(OLD))), version(NEW))
    assert plan.target == NEW
    assert [each.is_behind for each in plan.processes] == [True, True]


def test_a_process_that_tells_no_version_is_behind_also_where_an_older_coordinator_tells_of_none() -> None:
    plan = plan_of(told([ProcessVersion()], region("henan", None), region("sichuan", ProcessVersion())), version(OLD))
    assert [(each.member, each.version.version, each.is_behind) for each in plan.processes] == [
        ("coordinator/0", "", True),
        ("henan", "", True),
        ("sichuan", "", True),
    ]


def test_programs_have_schema_files_of_their_own_and_are_compared_by_the_release() -> None:
    plan = plan_of(told([version(NEW, 138)], region("henan", version(NEW, 171))), version(NEW, 138))
    assert plan.steps == []
    assert plan.is_done


def test_of_two_processes_of_one_release_the_one_with_fewer_schema_files_is_behind() -> None:
    plan = plan_of(told([version(NEW)], region("henan", version(NEW, 171), version(NEW, 170))), version(NEW))
    assert steps(plan) == [(StepKind.REPLACE_PROCESS, "henan", "henan:1")]


def test_nothing_is_contracted_while_a_process_of_its_database_is_behind() -> None:
    waiting = version(NEW, 171, contracting_files=2)
    mixed = told([version(NEW)], region("henan", waiting, version(OLD)), region("sichuan", waiting))
    assert steps(plan_of(mixed, version(NEW))) == [
        (StepKind.REPLACE_PROCESS, "henan", "henan:1"),
        (StepKind.CONTRACT, "sichuan", ""),
    ]


def test_coordinators_contract_their_database_once_and_what_contracts_may_wait() -> None:
    coordinators = [version(NEW, contracting_files=1), version(NEW)]
    plan = plan_of(told(coordinators, region("henan", version(NEW))), version(NEW))
    assert [(each.kind, each.member, each.files) for each in plan.steps] == [(StepKind.CONTRACT, "coordinator", 1)]
    assert plan.is_done, "the way back may stay open for as long as people like"


def test_what_waits_for_an_upgrade_is_told_and_a_silent_region_is_to_be_looked_at() -> None:
    waiting = WaitingEnvelopes(destination="henan", reason=Reason.REASON_UPGRADE_REQUIRED, count=3)
    busy = WaitingEnvelopes(destination="henan", reason=Reason.REASON_TOO_BUSY, count=9)
    henan = region("henan", version(OLD), report=NodeReport(unreadable="a new rule"))
    del henan.features[:]
    henan.features.append(Feature.FEATURE_TREE_SIGNATURES)
    sichuan = region("sichuan", version(NEW), report=NodeReport(waiting=[waiting, busy]))
    absent = Member(region="hubei", state=MemberState.MEMBER_STATE_ABSENT)
    plan = plan_of(told([version(NEW)], henan, sichuan, region("hunan"), absent), version(NEW))
    assert {each.feature for each in plan.waiting if each.feature} == {*FEATURES} - {Feature.FEATURE_TREE_SIGNATURES}
    assert [(each.region, each.unreadable) for each in plan.waiting if each.unreadable] == [("henan", "a new rule")]
    assert [(each.region, each.envelopes, each.origin) for each in plan.waiting if each.envelopes] == [
        ("henan", 3, "sichuan")
    ]
    assert (StepKind.LOOK_AT_REGION, "hunan", "") in steps(plan)
    assert not plan.is_done


def test_a_region_that_tells_a_version_which_nobody_has_changes_nothing_for_others() -> None:
    listed = told([version(NEW)], region("henan", version("999.0.0")), region("sichuan", version(NEW)))
    plan = plan_of(listed, version(OLD))
    assert (plan.target, plan.steps) == (NEW, [])


def test_a_region_that_is_away_keeps_its_last_version_in_the_plan_and_is_looked_at_before_it_is_replaced() -> None:
    henan = region("henan", report=NodeReport(version=version(OLD, contracting_files=1)))
    henan.heartbeat_time.FromSeconds(1)
    plan = plan_of(told([version(NEW)], henan), version(NEW))
    assert [(each.member, each.version.version, each.is_away, each.is_behind) for each in plan.processes] == [
        ("coordinator/0", NEW, False, False),
        ("henan", OLD, True, True),
    ]
    assert steps(plan) == [(StepKind.LOOK_AT_REGION, "henan", "")]


def test_a_region_that_is_away_is_not_said_to_be_behind_where_nobody_knows_its_version() -> None:
    henan = region("henan")
    henan.heartbeat_time.FromSeconds(1)
    plan = plan_of(told([version(NEW)], henan), version(NEW))
    assert [(each.is_unknown, each.is_behind) for each in plan.processes] == [(False, False), (True, False)]
    assert steps(plan) == [(StepKind.LOOK_AT_REGION, "henan", "")]


def test_an_empty_federation_has_nothing_to_do() -> None:
    assert plan_of(ListRegionsResponse(), version(OLD)).is_done


@pytest.mark.parametrize(
    ("lower", "higher"), [("", "0.1.0"), ("0.9.9", "0.10.0"), ("0.3.0", "1.0.0"), ("junk", "0.0.1")]
)
def test_releases_are_ordered_by_their_numbers(lower: str, higher: str) -> None:
    assert rank(ProcessVersion(version=lower)) < rank(ProcessVersion(version=higher))


def test_a_version_that_could_not_be_shown_is_refused() -> None:
    assert has_form(ProcessVersion(version="0.3.0-rc.1+build.7"))
    assert has_form(ProcessVersion())
    for broken in ("\x1b[31m", "0.3.0\n", "0" * 65, "版本"):
        assert not has_form(ProcessVersion(version=broken))
