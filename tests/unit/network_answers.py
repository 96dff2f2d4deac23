"""Answers about the network for the pages of a coordinator's console; `evil` stands behind each text."""

from datetime import timedelta

from gateway.api.coordinator.v1.administration_pb2 import GetConfigurationResponse
from gateway.api.coordinator.v1.path_service_pb2 import FindPathsResponse, GetPathMatrixResponse, SitePaths
from gateway.api.coordinator.v1.problem_service_pb2 import (
    AccidentGrade,
    GetProblemResponse,
    ListProblemsResponse,
    ReportKind,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import to_timestamp
from tests.unit.console_pages import NOW


def problems(evil: str = "") -> ListProblemsResponse:
    """A problem of the network."""
    found = ListProblemsResponse()
    header = found.problems.add().header
    header.id, header.root_cause.id = f"problem-1{evil}", f"chengdu-1{evil}"
    header.regions.append(f"sichuan{evil}")
    return found


CHANGED = "class=voice&change=xian-1:delay_us=9000"


def network(evil: str = "") -> GetConfigurationResponse:
    """A network of one link, of whose sites one has a name, and a class of quality."""
    found = GetConfigurationResponse()
    site = found.configuration.network.sites.add(id=f"guangzhou{evil}")
    site.name.en, site.name.zh_cn = f"Guangzhou{evil}", f"广州{evil}"
    found.configuration.network.links.add(id="xian-1", delay_us=20_000)
    title = found.configuration.network.quality_classes.add(name="voice", delay_us=15_000).title
    title.en = title.zh_cn = f"voice{evil}"
    return found


def site_paths(delay_us: int, evil: str = "") -> SitePaths:
    """The best path and an alternative, of which the first does not keep its class above 15 ms."""
    found = SitePaths(start=f"guangzhou{evil}", end=f"chengdu{evil}", shared_links=[f"xian-1{evil}"])
    for path in (found.best, found.alternative, found.apart.add()):
        hop = path.hops.add(link=f"xian-1{evil}", start=f"guangzhou{evil}", end=f"chengdu{evil}", measured=True)
        hop.quality.delay_us = path.quality.delay_us = delay_us
        path.budget.kept, path.budget.delay_us = delay_us <= 15_000, 15_000 - delay_us
    return found


def matrix(evil: str = "") -> GetPathMatrixResponse:
    """Two regions with a path between them, and one that nothing leads to."""
    found = GetPathMatrixResponse(down=[f"henan-1{evil}"])
    pair = found.pairs.add(start=f"guangdong{evil}", end=f"sichuan{evil}")
    pair.paths.CopyFrom(site_paths(20_000, evil))
    pair.changed.CopyFrom(site_paths(9_000, evil))
    cut = found.pairs.add(start=f"guangdong{evil}", end=f"henan{evil}")
    cut.paths.start = cut.changed.start = f"guangzhou{evil}"
    for region in ("guangdong", "henan", "sichuan"):
        name = found.regions.add(region=f"{region}{evil}").name
        name.en = name.zh_cn = f"{region}{evil}"
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def ways(evil: str = "") -> FindPathsResponse:
    """The paths between two regions, now and after a change."""
    found = FindPathsResponse(paths=site_paths(20_000, evil), changed=site_paths(9_000, evil))
    found.unanswered.add(region=f"henan{evil}", reason=Reason.REASON_TOO_BUSY)
    return found


def problem(evil: str = "") -> GetProblemResponse:
    """An accident with its evidence, of whose two reports one is made."""
    found = GetProblemResponse(problem=problems(evil).problems[0])
    told = found.problem
    told.header.parent_id, told.header.merged_into_id = f"sichuan/alarm/2{evil}", f"problem-2{evil}"
    told.header.services.append(f"broadband{evil}")
    for key in (1, 2):
        event = found.events.add(id=f"sichuan/alarm/{key}{evil}", links=[f"xian-1{evil}"], retracted=key == 1)
        event.raise_time.CopyFrom(to_timestamp(NOW))
        event.clear_time.CopyFrom(to_timestamp(NOW))
    told.affected.add(region=f"sichuan{evil}", customers=1_200_000, complaints=7)
    told.grades.add(grade=AccidentGrade.ACCIDENT_GRADE_MAJOR, customers=1_200_000).reach_time.CopyFrom(
        to_timestamp(NOW)
    )
    for kind in (ReportKind.REPORT_KIND_ORAL, ReportKind.REPORT_KIND_WRITTEN):
        told.reports.add(kind=kind).due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1)))
    told.reports[0].make_time.CopyFrom(to_timestamp(NOW))
    told.reports[0].administrator = f"root{evil}"
    return found
