"""The page of a region: its membership, processes and certificates, and the envelopes that wait there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from coordinator.console import rpcs
from coordinator.console.words import member_state_cell
from coordinator.wording.ages import told_age, told_span
from coordinator.wording.answers import unanswered_line
from coordinator.wording.lanes import LaneLine, lanes_of, told_idle, why
from coordinator.wording.members import has_beaten, member_of, waiting_lines
from gateway.api.coordinator.v1.administration_pb2 import (
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
    ListRegionsRequest,
    UnansweredRegion,
)
from gateway.api.federation.v1.federation_pb2 import (
    Feature,
    Member,
    MemberProcess,
    MemberState,
    NodeReport,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import to_timestamp
from gateway.web.console.frames import Link
from gateway.web.console.lists import chosen_word
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Fact, due_cell
from gateway.web.console.ticket import known, state_and_facts
from gateway.web.enum_words import told_word
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, headed, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set

_TAB = "/board"
REGION = "region"
"""The name of a region in paths."""
_CONNECTION, _TEST = "connection", "test"


def path_of(region: str) -> str:
    """The path of the page of a region."""
    return f"/regions/{region}"


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made."""

    member: Member
    tested: ListOrderSummariesResponse | None
    """The answer of all regions for a test of the connection; None for no test."""


@dataclass(frozen=True)
class _Page:
    """The page as `region.html.j2` shows it."""

    state: Cell
    note: str
    result: Cell
    """The result of a test of the connection; empty for no test."""
    warnings: Sequence[str]
    links: Sequence[Link]
    facts_heading: str
    facts: Sequence[Fact]
    tables: Sequence[tuple[str, Table]]


async def _read(visit: Visit, calling: Calling) -> _Found:
    region = visit.names[REGION]
    member = member_of((await calling.ask(rpcs.LIST_REGIONS, ListRegionsRequest())).members, region)
    if not chosen_word(visit, _CONNECTION, (_TEST,)):
        return _Found(member, None)
    request = ListOrderSummariesRequest(region=region, page_size=1)
    return _Found(member, await calling.ask(rpcs.LIST_ORDER_SUMMARIES, request))


def _show(visit: Visit, found: _Found) -> Shown:
    member = found.member
    tables = [
        (translated("Certificates"), _certificates(visit.now, member)),
        (translated("Processes"), _processes(member.processes)),
        (translated("Lanes"), _lanes(visit.now, member.report)),
        (translated("Anomalies that wait for people"), _anomalies(member)),
    ]
    tables = [(heading, table) for heading, table in tables if table.rows]
    page = _Page(
        state=member_state_cell(member),
        note=member.state_note,
        result=_result(visit.now, member, found.tested),
        warnings=list(waiting_lines([member])),
        links=list(_links(visit, member)),
        facts_heading=translated("Region"),
        facts=known(_facts(visit.now, member)),
        tables=tables,
    )
    about = state_and_facts(page.facts_heading, replace(page.state, note=page.note), page.result, page.facts)
    files = [about, *(table for _, table in tables)]
    return Shown("region.html.j2", region_name(member.region), page, _TAB, files, page.warnings)


def _result(now: datetime, member: Member, tested: ListOrderSummariesResponse | None) -> Cell:
    if tested is None:
        return Cell("")
    refused = next((each for each in tested.unanswered if each.region == member.region), None)
    if not member.endpoints:  # nobody has asked it
        refused = UnansweredRegion(region=member.region, reason=Reason.REASON_REGION_NOT_JOINED)
    if refused is None:
        return Cell(translated("The region has answered."), badge="done")
    told = translated("{problem}; last heartbeat: {age}", problem=unanswered_line(refused), age=_last(now, member))
    return Cell(translated("No answer"), badge="late", note=told)


def _last(now: datetime, member: Member) -> str:
    return told_age(member.heartbeat_time, now) or translated("never")


def _links(visit: Visit, member: Member) -> Iterator[Link]:
    """The acts that can do something: nobody asks a region without an address."""
    path = path_of(member.region)
    if member.endpoints:
        yield Link(translated("Test the connection"), visit.address(path, connection=_TEST))
    is_suspended = member.state == MemberState.MEMBER_STATE_SUSPENDED
    yield Link(translated("Reinstate") if is_suspended else translated("Suspend"), visit.address(f"{path}/membership"))


def _facts(now: datetime, member: Member) -> Iterator[Fact]:
    yield Fact(translated("Id"), member.region)
    yield Fact(translated("Last heartbeat"), _last(now, member))
    yield Fact(translated("Addresses"), "\n".join(member.endpoints))
    if has_beaten(member):
        yield Fact(translated("Revision of the configuration"), str(member.federation_revision))
        yield Fact(translated("Clock"), told_span(member.clock_error.ToTimedelta().total_seconds()))
    yield Fact(translated("Lanes"), told_idle(member))
    features = [told_word(Feature.DESCRIPTOR, each) for each in member.features]
    yield Fact(translated("Features"), enumerated(features))


def _certificates(now: datetime, member: Member) -> Table:
    ends = []
    if member.report.HasField("certificate_end_time"):
        ends.append((translated("TLS, of its process or its authority"), member.report.certificate_end_time))
    if member.signing_certificate:
        signing = x509.load_pem_x509_certificate(member.signing_certificate)
        ends.append((translated("Signing key"), to_timestamp(signing.not_valid_after_utc)))
    return Table(
        label=translated("Certificates"),
        head=[Cell(translated("Certificate"), "col"), Cell(translated("Expires"), "col")],
        rows=[[Cell(name, "row"), due_cell(end, now)] for name, end in ends],
    )


def _processes(processes: Sequence[MemberProcess]) -> Table:
    titles = (
        translated("Process"),
        translated("Version"),
        translated("Schema"),
        translated("Newer schema files"),
        translated("Waits for migrate --contract"),
    )
    return Table(
        label=translated("Processes"),
        head=[Cell(each, "col") for each in titles],
        rows=[
            [
                Cell(each.endpoint, "row"),
                Cell(each.version.version),
                Cell(str(each.version.schema_number or ""), style="figure"),
                Cell(str(each.version.newer_files or ""), style="figure"),
                Cell(str(each.version.contracting_files or ""), style="figure"),
            ]
            for each in processes
        ],
    )


def _lanes(now: datetime, report: NodeReport) -> Table:
    """The destinations with envelopes in flight, those that have not accepted some, and those that are not reached."""
    titles = (
        translated("Destination"),
        translated("In flight"),
        translated("Waiting"),
        translated("Oldest"),
        translated("Stands"),
    )
    return Table(
        label=translated("Lanes"),
        head=[Cell(each, "col") for each in titles],
        rows=[_lane(now, each) for each in lanes_of(report)],
        caption=translated("Envelopes that a destination has not accepted are kept, and sent again."),
    )


def _lane(now: datetime, line: LaneLine) -> Sequence[Cell]:
    oldest, stands = "", Cell(why(line))
    if line.breaker is not None:
        since = told_if_set(line.breaker.open_time)
        note = headed(since, stands.text) if stands.text else since
        stands = Cell(translated("not reached"), badge="late", note=note)
    if line.waiting is not None:
        oldest = told_age(line.waiting.create_time, now)
    return [
        Cell(region_name(line.destination), "row"),
        Cell(f"{line.in_flight:,}" if line.in_flight else "", style="figure"),
        Cell("" if line.envelopes is None else f"{line.envelopes:,}", style="figure"),
        Cell(oldest),
        stands,
    ]


def _anomalies(member: Member) -> Table:
    titles = (translated("Asking region"), translated("Number"), translated("Since"))
    return Table(
        label=translated("Anomalies that wait for people"),
        head=[Cell(each, "col") for each in titles],
        rows=[
            [
                Cell(region_name(each.region), "row"),
                Cell(f"{each.count:,}", style="figure"),
                Cell(told_if_set(each.begin_time)),
            ]
            for each in member.report.anomalies
        ],
    )


VIEW = View.of(
    f"/regions/{{{REGION}}}",
    (rpcs.LIST_REGIONS, rpcs.LIST_ORDER_SUMMARIES),
    _read,
    _show,
    (_CONNECTION,),
)
