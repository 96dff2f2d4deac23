"""Problems of the network across regions: found, followed, counted, graded and reported, with notices to customers."""

from datetime import datetime, timedelta

import pytest

from coordinator.problems import correlator
from gateway.api.coordinator.v1 import problem_service_pb2 as api
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.federation.v1 import problem_pb2
from gateway.api.region.v1 import alarm_service_pb2 as alarm_api
from gateway.api.region.v1 import followed_problem_service_pb2 as region_api
from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultSeverity
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub as RegionStub
from gateway.time.clock import to_timestamp
from region_node.network.problems.following import PROBLEM_TIMER
from region_node.network.problems.port import event_id
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.line_bindings import bind
from tests.federation.networks import Network
from tests.federation.probe import Probe, raised
from tests.federation.probe import cleared as over
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.unit.network_events import cut, event

LINES = "lines-chengdu-guangzhou"
ORAL, WRITTEN = api.REPORT_KIND_ORAL, api.REPORT_KIND_WRITTEN


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grade that rises with time is noticed soon."""
    monkeypatch.setattr(correlator, "LOOK", 0.2)


@pytest.fixture(name="begins")
def now_in_the_federation(federation: Federation) -> datetime:
    """When the problem of a test begins. Each is in another part of the network."""
    return federation.clock.now()


@pytest.fixture(name="network")
def network_of_the_federation(federation: Federation) -> Network:
    return Network(federation)


def texts(federation: Federation, number: str) -> list[str]:
    return [each.en for each in federation.texts(number) if "network" in each.en]


def disturbed(name: str, time: datetime, **about: str) -> alarm_api.AlarmReport:
    """A critical alarm of a link or a service, which a region has found itself."""
    report = raised(name, time)
    report.alarmed_object.CopyFrom(NetworkObject(**about))
    return report


async def followed_by(federation: Federation, header: problem_pb2.ProblemHeader) -> None:
    """A coordinator tells Sichuan of a problem, whose notices have left when this returns."""
    service = RegionStub(federation.dial_node("sichuan", "coordinator/1"))
    await service.FollowProblem(region_api.FollowProblemRequest(header=header), timeout=CALL_SECONDS)

    async def is_done() -> bool:
        sql = "SELECT COUNT(*) FROM timers WHERE kind = ?"
        return federation.database("sichuan").rows(sql, PROBLEM_TIMER) == [(0,)]

    await until(is_done, "nothing of the problem waits")


def notices(federation: Federation, number: str) -> list[str]:
    """The stages of network problems for which a customer of Sichuan has notices, sent or not."""
    sql = "SELECT notice_id FROM notices WHERE notice_id LIKE ? ORDER BY create_time"
    rows = federation.database("sichuan").rows(sql, f"problem/%/customer-{number.removeprefix('+')}%")
    return [str(notice_id).split("/")[2] for (notice_id,) in rows]


def invented(federation: Federation, service: str, *children: str) -> problem_pb2.ProblemHeader:
    """A problem of which the coordinators' regions have not told."""
    return problem_pb2.ProblemHeader(
        id=federation.next_id(),
        version=1,
        state=problem_pb2.PROBLEM_STATE_IN_PROGRESS,
        severity=problem_pb2.PERCEIVED_SEVERITY_CRITICAL,
        services=[service],
        child_ids=children,
        start_time=to_timestamp(federation.clock.now()),
    )


def later(header: problem_pb2.ProblemHeader, state: problem_pb2.ProblemState.ValueType) -> problem_pb2.ProblemHeader:
    """The next version of a problem."""
    changed = problem_pb2.ProblemHeader()
    changed.CopyFrom(header)
    changed.version, changed.state = header.version + 1, state
    if state == problem_pb2.PROBLEM_STATE_RESOLVED:
        changed.end_time.CopyFrom(header.start_time)
    return changed


async def confirm(federation: Federation, problem: str, version: int) -> None:
    service = RegionStub(federation.dial_node("sichuan", "region/sichuan/staff/wang"))
    request = region_api.ConfirmFollowedProblemRequest(problem_id=problem, version=version)
    await service.ConfirmFollowedProblem(request, timeout=CALL_SECONDS)


@pytest.mark.clause("5.4.2")
async def test_a_cut_between_two_regions_is_one_problem_whose_customers_are_told_once_by_their_home_regions(
    federation: Federation, network: Network, guangdong: Counter, sichuan: Counter, begins: datetime
) -> None:
    numbers = [await guangdong.new_customer(), await sichuan.new_customer()]
    unaffected = await sichuan.new_customer()
    assert [await bind(guangdong, numbers[0]), await bind(sichuan, numbers[1])] == [1, 1]
    assert await bind(sichuan, numbers[1]) == 0
    probes = [Probe(federation, region, federation.next_id()) for region in ("guangdong", "sichuan")]
    for probe in probes:
        await probe.report(raised("cut", begins))
    alarms = [
        event_id(probe.region, "alarm", each.id.rpartition("/")[2]) for probe in probes for each in await probe.alarms()
    ]
    told = cut(begins, "whole")
    for each in (told[2], told[0], told[1], told[0]):
        await network.tell(each)
    found = await network.of(
        told[0].id,
        lambda each: (
            len(each.header.child_ids) == len(told) + len(alarms)
            and sum(count.customers for count in each.affected) == 2
        ),
    )
    assert found.header.root_cause.id == "chengdu-guangzhou-1"
    assert sorted(found.header.child_ids) == sorted([*alarms, *(each.id for each in told)])
    counts = {each.region: each.customers for each in found.affected}
    assert (counts["guangdong"], counts["sichuan"], counts.get("henan", 0)) == (1, 1, 0)
    assert (LINES, found.header.id) in await network.outages()
    for number in numbers:

        async def is_told(number: str = number, count: int = 1) -> bool:
            return len(texts(federation, number)) == count

        await until(is_told, "the customer is told")
    for probe in probes:
        await probe.report(over("cut", begins + timedelta(minutes=20)), first=2)
    await network.clear(told, begins + timedelta(minutes=20))
    resolved = await network.of(told[0].id, lambda each: each.header.state == problem_pb2.PROBLEM_STATE_RESOLVED)
    assert resolved.header.id == found.header.id
    for number in numbers:

        async def is_told_of_the_end(number: str = number) -> bool:
            return ["told you of" in each for each in texts(federation, number)] == [False, True]

        await until(is_told_of_the_end, "the customer is told that it is over")
    assert texts(federation, unaffected) == []
    assert found.header.id not in [problem for _, problem in await network.outages()]


async def test_a_customer_reads_of_what_the_own_lines_use_and_of_nothing_else(
    federation: Federation, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    await bind(guangdong, number, "broadband-shenzhen")
    desk = FaultReporter(federation, "guangdong", "staff/wang")
    wanted = desk.request("", FaultPlace(site="shenzhen"))
    wanted.services.extend(["broadband-guangzhou", "broadband-shenzhen"])
    wanted.severity = FaultSeverity.FAULT_SEVERITY_CRITICAL
    fault = await desk.hand_in(wanted)

    async def is_told() -> bool:
        return len(texts(federation, number)) == 1

    await until(is_told, "the customer is told")
    assert "(Broadband in Shenzhen)" in texts(federation, number)[0]
    await desk.cancel(fault.id)
    await federation.advance(timedelta(hours=1))  # other tests are about these services, too


async def test_who_was_told_that_it_is_over_is_told_that_it_has_come_back(
    federation: Federation, sichuan: Counter, begins: datetime
) -> None:
    number = await sichuan.new_customer()
    await bind(sichuan, number, "broadband-xichang")
    probe = Probe(federation, "sichuan", federation.next_id())
    words = ("may affect", "is over", "has come back", "is over")
    for count in range(1, len(words) + 1):
        when = begins + count * timedelta(minutes=1)
        report = disturbed("back", when, service="broadband-xichang") if count % 2 else over("back", when)
        await probe.report(report, first=count)

        async def is_told(count: int = count) -> bool:
            return len(texts(federation, number)) == count

        await until(is_told, "the customer is told")
    assert all(word in text for word, text in zip(words, texts(federation, number), strict=True))
    # Other tests are about this service, too.
    await _unbind(RegionStub(federation.dial_node("sichuan", "region/sichuan/operator/counter")), number)
    await federation.advance(timedelta(hours=1))


async def test_the_word_of_a_coordinator_alone_notifies_nobody_until_staff_of_the_region_confirm_it(
    federation: Federation, sichuan: Counter
) -> None:
    number, service = await sichuan.new_customer(), "broadband-xichang"
    await bind(sichuan, number, service)
    await bind(sichuan, await sichuan.new_customer(), "broadband-chengdu")
    begun = invented(federation, service, "sichuan/alarm/alarm-0", "sichuan/fault/F:none", "henan/alarm/1")
    await followed_by(federation, begun)
    assert notices(federation, number) == []
    node = RegionStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    assert list((await _followed(node, begun.id)).unconfirmed_services) == [service]
    assert (await refusal(confirm(federation, "problem-none", 1))).reason == "PROBLEM_NOT_FOUND"
    changed = await refusal(confirm(federation, begun.id, 2))
    assert (changed.reason, changed.parameters["version"]) == ("PROBLEM_CHANGED", "1")
    for _ in range(2):
        await confirm(federation, begun.id, 1)

    async def is_told(*stages: str) -> bool:
        return notices(federation, number) == list(stages)

    await until(lambda: is_told("begun"), "the customer is told once staff have confirmed it")
    assert not (await _followed(node, begun.id)).unconfirmed_services
    more = later(begun, problem_pb2.PROBLEM_STATE_IN_PROGRESS)
    more.services.append("broadband-chengdu")
    await followed_by(federation, more)
    assert list((await _followed(node, begun.id)).unconfirmed_services) == ["broadband-chengdu"], (
        "staff have not seen it"
    )
    ended = later(more, problem_pb2.PROBLEM_STATE_RESOLVED)
    await followed_by(federation, ended)
    assert notices(federation, number) == ["begun"]
    await confirm(federation, ended.id, ended.version)
    await until(lambda: is_told("begun", "ended"), "the customer is told of the end once staff have confirmed it")
    await _unbind(node, number)
    await federation.advance(timedelta(days=1))  # other tests are about this service, too


async def test_problems_invented_about_a_true_alarm_notify_of_what_it_disturbs_alone_and_a_few_times_a_day(
    federation: Federation, sichuan: Counter, begins: datetime
) -> None:
    number, other = await sichuan.new_customer(), await sichuan.new_customer()
    await bind(sichuan, number, "broadband-xichang")
    await bind(sichuan, other, "broadband-chengdu")
    probe = Probe(federation, "sichuan", federation.next_id())
    await probe.report(disturbed("true", begins, service="broadband-xichang"))
    (alarm,) = await probe.alarms()
    child = event_id("sichuan", "alarm", alarm.id.rpartition("/")[2])
    problems = [invented(federation, "broadband-xichang", child) for _ in range(6)]
    for each in problems:
        each.services.append("broadband-chengdu")
        await followed_by(federation, each)
        ended = later(each, problem_pb2.PROBLEM_STATE_RESOLVED)
        ended.ClearField("child_ids")
        await followed_by(federation, ended)

    assert notices(federation, number) == ["begun"] * 3, "as many as the policy permits, and no end: the alarm goes on"
    assert notices(federation, other) == [], "no alarm is about this service"
    node = RegionStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    await probe.report(over("true", begins), first=2)
    await _unbind(node, number)
    await federation.advance(timedelta(days=1))  # other tests are about this service, too


async def test_nobody_tells_of_what_is_another_regions(network: Network, begins: datetime) -> None:
    forged = event("henan/alarm/1", links=["chengdu-guangzhou-1"], raised=begins)
    told = await refusal(network.tell(forged))
    assert (told.reason, told.parameters["element"]) == ("NETWORK_EVENT_NOT_OWN", "chengdu-guangzhou-1")
    other = event("sichuan/alarm/forged", links=["chengdu-guangzhou-1"], raised=begins)
    assert (await refusal(network.tell(other, teller="guangdong"))).reason == "NETWORK_EVENT_NOT_OWN"
    for element, reason in (
        ("sites", "SITE_UNKNOWN"),
        ("links", "LINK_UNKNOWN"),
        ("services", "NETWORK_SERVICE_UNKNOWN"),
    ):
        unknown = event("henan/alarm/1", raised=begins)
        getattr(unknown, element).append("atlantis")
        assert (await refusal(network.tell(unknown))).reason == reason
    assert (await refusal(network.tell(event("henan/alarm/1", raised=begins)))).reason == "REQUEST_INVALID"
    assert (await refusal(network.count("problem-none", "henan", 3, 1))).reason == "PROBLEM_NOT_FOUND"


async def test_an_older_version_changes_nothing_and_what_happens_elsewhere_is_not_joined(
    network: Network, begins: datetime
) -> None:
    name = "henan/alarm/versions"
    newer = event(name, links=["zhengzhou-luoyang-1"], raised=begins, cleared=begins, version=3)
    await network.tell(newer)
    await network.tell(event(name, links=["zhengzhou-luoyang-1"], raised=begins, version=2))
    elsewhere = event("guangdong/fault/elsewhere", services=["broadband-shenzhen"], raised=begins)
    await network.tell(elsewhere)
    found = await network.of(name)
    assert (found.header.state, list(found.header.child_ids)) == (problem_pb2.PROBLEM_STATE_RESOLVED, [name])
    assert list((await network.of(elsewhere.id)).header.child_ids) == [elsewhere.id]
    await network.clear([elsewhere], begins)


@pytest.mark.clause("5.4.3")
async def test_half_a_million_customers_for_more_than_an_hour_are_a_special_accident_whose_reports_have_deadlines(
    federation: Federation, network: Network, begins: datetime
) -> None:
    told = event("henan/fault/large", services=["broadband-zhengzhou"], raised=begins)
    await network.tell(told)
    found = await network.of(told.id, lambda each: len(each.affected) == 3)
    name, version = found.header.id, found.header.version
    await network.count(name, "henan", 400_000, version)
    await network.count(name, "sichuan", 100_001, version)
    counted = await network.of(told.id, lambda each: sum(count.customers for count in each.affected) == 500_001)
    await network.count(name, "sichuan", 100_001, version, complaints=7)
    complained = await network.of(told.id, lambda each: sum(count.complaints for count in each.affected) == 7)
    assert [each.count_time for each in complained.affected] == [each.count_time for each in counted.affected]
    await network.of(told.id, lambda each: [grade.grade for grade in each.grades] == [api.ACCIDENT_GRADE_ORDINARY])
    refused = await refusal(_report(network, name, ORAL))
    assert refused.reason == "REPORT_NOT_NEEDED"
    await federation.advance(timedelta(hours=1, minutes=1))
    special = await network.of(
        told.id, lambda each: bool(each.grades) and each.grades[-1].grade == api.ACCIDENT_GRADE_SPECIAL
    )
    reached = special.grades[-1].reach_time.ToDatetime()
    assert reached == told.raise_time.ToDatetime() + timedelta(hours=1)
    assert [(each.kind, each.due_time.ToDatetime() - reached) for each in special.reports] == [
        (ORAL, timedelta()),
        (WRITTEN, timedelta(hours=4)),
    ]
    made = await _report(network, name, ORAL)
    assert await _report(network, name, ORAL) == made, "once"
    assert [(each.administrator, each.HasField("make_time")) for each in made.reports] == [
        ("admin/root", True),
        ("", False),
    ]
    listed = await network.admin.ListProblems(api.ListProblemsRequest(with_open_reports=True), timeout=CALL_SECONDS)
    assert name in [each.header.id for each in listed.problems]
    await network.clear([told], federation.clock.now())


async def _report(network: Network, name: str, kind: api.ReportKind.ValueType) -> Problem:
    request = api.RecordReportRequest(problem_id=name, kind=kind)
    return (await network.admin.RecordReport(request, timeout=CALL_SECONDS)).problem


async def test_a_node_that_was_away_follows_what_it_has_missed(
    federation: Federation, network: Network, begins: datetime
) -> None:
    await federation.stop_node("henan")
    told = event("guangdong/fault/missed", services=["broadband-guangzhou"], raised=begins)
    await network.tell(told)
    found = await network.of(told.id)
    await federation.start_node("henan")

    async def is_followed() -> bool:
        sql = "SELECT version FROM followed_problems WHERE problem_id = ?"
        return federation.database("henan").rows(sql, found.header.id) == [(found.header.version,)]

    await until(is_followed, "Henan follows it")
    await network.clear([told], begins)


async def test_lines_are_bound_and_unbound_and_nobody_elses(
    federation: Federation, network: Network, sichuan: Counter, begins: datetime
) -> None:
    number = await sichuan.new_customer()
    stranger = await refusal(bind(sichuan, federation.next_number("guangdong")))
    assert stranger.reason == "SUBSCRIPTION_NOT_FOUND"
    assert (await refusal(bind(sichuan, number, "none"))).reason == "NETWORK_SERVICE_UNKNOWN"
    await bind(sichuan, number, "broadband-xichang")
    told = event("sichuan/fault/unbound", services=["broadband-xichang"], raised=begins)
    await network.tell(told)

    def counted(problem: Problem, customers: int) -> bool:
        return [each.customers for each in problem.affected if each.region == "sichuan"] == [customers]

    found = await network.of(told.id, lambda each: counted(each, 1))
    complaint = await Complainant(federation, "sichuan").file("NET_OUTAGE", number)
    stub = RegionStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    belongs = await _followed(stub, found.header.id)
    assert list(belongs.ticket_ids) == [complaint.ticket_id]
    counted_too = await network.of(told.id, lambda each: any(one.complaints for one in each.affected))
    assert {each.region: each.complaints for each in counted_too.affected if each.complaints} == {"sichuan": 1}
    desk = Complainant(federation, "sichuan")
    assert [each.id for each in (await desk.told(complaint.ticket_id)).network_problems] == [found.header.id]
    other = await desk.file("BILL_WRONG", number)
    assert not (await desk.told(other.ticket_id)).network_problems, "it is not about the network"
    await _unbind(stub, number)
    await network.of(told.id, lambda each: counted(each, 0))
    followed = await _followed(stub, found.header.id)
    assert (list(followed.header.child_ids), list(followed.ticket_ids)) == ([told.id], [])
    await network.clear([told], begins)


async def _unbind(node: RegionStub, number: str) -> None:
    binding = region_api.LineBinding(number=number, service="broadband-xichang")
    await node.UnbindLines(region_api.UnbindLinesRequest(bindings=[binding], requester=REQUESTER), timeout=CALL_SECONDS)


async def _followed(node: RegionStub, problem: str) -> region_api.FollowedProblem:
    request, listed = region_api.ListFollowedProblemsRequest(page_size=1), list[region_api.FollowedProblem]()
    request.requester.CopyFrom(REQUESTER)
    while True:
        page = await node.ListFollowedProblems(request, timeout=CALL_SECONDS)
        listed += page.problems
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    (found,) = (each for each in listed if each.header.id == problem)
    return found


async def test_a_fault_that_is_reported_in_one_region_and_is_in_another_follows_the_problem_of_its_link(
    federation: Federation, network: Network, begins: datetime
) -> None:
    link = "chengdu-chongqing-1"
    alarm = event("sichuan/alarm/reported", links=[link], raised=begins)
    await network.tell(alarm)
    found = await network.of(alarm.id)
    desk = FaultReporter(federation, "guangdong", "staff/wang")
    reported = await desk.report(link=link, severity=FaultSeverity.FAULT_SEVERITY_CRITICAL)
    fault = await desk.follows(reported.id, lambda each: bool(each.problem_id), "it belongs to a problem")
    assert (fault.problem_id, fault.root_cause_id) == (found.header.id, link)
    child = f"sichuan/fault/{reported.id.replace('/', ':')}"
    joined = await network.of(child, lambda each: alarm.id in each.header.child_ids)
    assert joined.header.parent_id == child, "people follow what people work on"
    await desk.cancel(reported.id)
    await network.clear([alarm], begins)
    await network.of(child, lambda each: each.header.state == problem_pb2.PROBLEM_STATE_RESOLVED)
