"""The quality of paths, queried through a real coordinator from programmable region servers."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from pathlib import Path

import grpc
from click.testing import CliRunner

from coordinator.cli.main import main
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.coordinator.v1.path_service_pb2_grpc import PathServiceStub
from gateway.api.federation.v1.network_pb2 import Link
from gateway.api.region.v1 import measurement_service_pb2 as region_contract
from gateway.api.region.v1.measurement_service_pb2 import LinkReport
from gateway.api.region.v1.measurement_service_pb2_grpc import (
    MeasurementServiceServicer,
    add_MeasurementServiceServicer_to_server,
)
from gateway.errors import reason_name
from gateway.rpc.channels import invoke
from gateway.rpc.server import Service
from tests.contract.coordinators import ADMIN, PATIENCE_S, Federation, federation, join_request, keys_of, refused, run
from tests.contract.small_federation import CONFIGURATION, FEDERATION, Certificates, serving

SERVICE = region_contract.DESCRIPTOR.services_by_name["MeasurementService"]
DIRECT = "chengdu-guangzhou-1"
Reports = Sequence[LinkReport]


class Region(MeasurementServiceServicer):
    """Reports the links that it is given."""

    def __init__(self, links: Reports) -> None:
        self.links = links

    async def ReportLinks(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.ReportLinksRequest,
        context: grpc.aio.ServicerContext[region_contract.ReportLinksRequest, region_contract.ReportLinksResponse],
    ) -> region_contract.ReportLinksResponse:
        return region_contract.ReportLinksResponse(links=self.links)

    async def ListQuality(  # noqa: N802 - named by gRPC
        self,
        request: region_contract.ListQualityRequest,
        context: grpc.aio.ServicerContext[region_contract.ListQualityRequest, region_contract.ListQualityResponse],
    ) -> region_contract.ListQualityResponse:
        raise NotImplementedError

    def SendMeasurements(  # noqa: N802 - named by gRPC
        self,
        request_iterator: AsyncIterator[region_contract.SendMeasurementsRequest],
        context: grpc.aio.ServicerContext[
            region_contract.SendMeasurementsRequest, region_contract.SendMeasurementsResponse
        ],
    ) -> AsyncIterator[region_contract.SendMeasurementsResponse]:
        raise NotImplementedError


@asynccontextmanager
async def reporting(certificates: Certificates, data: Path, **reports: Reports) -> AsyncIterator[Federation]:
    """A coordinator, and regions by name with what they report; all have joined."""
    async with AsyncExitStack() as stack:
        it = await stack.enter_async_context(federation(certificates, data))
        await it.apply()
        for name, links in reports.items():
            service = Service(SERVICE, functools.partial(add_MeasurementServiceServicer_to_server, Region(links)))
            endpoint = await stack.enter_async_context(serving(certificates, f"region/{name}", [service], name))
            keys = keys_of(certificates, name)
            await it.join(keys, join_request(keys, endpoint))
        yield it


async def find(it: Federation, basis: contract.PathBasis, start: str = "sichuan") -> contract.FindPathsResponse:
    request = contract.FindPathsRequest(start=start, end="guangdong", basis=basis)
    return await invoke(PathServiceStub(it.as_(ADMIN)).FindPaths, request, PATIENCE_S)


def links_of(path: contract.NetworkPath) -> list[str]:
    return [hop.link for hop in path.hops]


def test_a_path_is_told_by_what_regions_measure_and_without_what_is_down(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        slow = LinkReport(link=DIRECT, delay_us=500_000)
        async with reporting(certificates, tmp_path / "data", sichuan=[slow], guangdong=[]) as it:
            measured = await find(it, contract.PathBasis(quality_class="y1541-1"))
            assert DIRECT not in links_of(measured.paths.best)
            assert not any(hop.measured for hop in measured.paths.best.hops)
            designed = await find(it, contract.PathBasis(by_design=True, quality_class="y1541-1"))
            assert links_of(designed.paths.best) == [DIRECT]
            assert designed.paths.best.budget.kept
            assert not set(designed.paths.shared_links)
            down = await find(it, contract.PathBasis(by_design=True, down=[DIRECT]))
            assert list(down.down) == [DIRECT]
            assert DIRECT not in links_of(down.paths.best)
            assert not down.paths.best.HasField("budget")

    run(scenario())


def test_a_region_says_nothing_of_the_links_of_others(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        lies = [LinkReport(link=DIRECT, down=True), LinkReport(link="none", down=True)]
        true = [LinkReport(link=DIRECT, delay_us=9_000)]
        async with reporting(certificates, tmp_path / "data", henan=lies, guangdong=true) as it:
            told = await find(it, contract.PathBasis())
            assert not told.down
            assert [hop.quality.delay_us for hop in told.paths.best.hops] == [9_000]
            assert [hop.measured for hop in told.paths.best.hops] == [True]

    run(scenario())


def test_an_upgrade_is_told_before_and_after_and_by_its_own_figures(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        measured = [LinkReport(link=DIRECT, delay_us=9_000, loss_ppb=1)]
        async with reporting(certificates, tmp_path / "data", sichuan=measured) as it:
            better = Link(
                id=DIRECT, site_a="chengdu", site_b="guangzhou", region="sichuan", capacity_mbps=1, delay_us=1_000
            )
            told = await find(it, contract.PathBasis(changed_links=[better]))
            assert told.paths.best.quality.delay_us == 9_000
            assert told.changed.best.quality.delay_us == 1_000
            better.delay_us = 0
            assert await refused(find(it, contract.PathBasis(changed_links=[better]))) == "REQUEST_INVALID"

    run(scenario())


def test_a_region_that_is_not_reached_is_named(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with reporting(certificates, tmp_path / "data", sichuan=[]) as it:
            henan = keys_of(certificates, "henan")
            await it.join(henan, join_request(henan, "127.0.0.1:1"))
            told = await find(it, contract.PathBasis())
            assert {each.region: reason_name(each.reason) for each in told.unanswered} == {
                "henan": "REGION_UNREACHABLE"
            }

    run(scenario())


def test_what_is_not_in_the_registry_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with reporting(certificates, tmp_path / "data") as it:
            assert await refused(find(it, contract.PathBasis(), start="atlantis")) == "SITE_UNKNOWN"
            assert await refused(find(it, contract.PathBasis(), start="guangzhou")) == "REQUEST_INVALID"
            assert await refused(find(it, contract.PathBasis(down=["none"]))) == "LINK_UNKNOWN"
            assert await refused(find(it, contract.PathBasis(quality_class="gold"))) == "QUALITY_CLASS_UNKNOWN"

    run(scenario())


async def command(certificates: Certificates, it: Federation, *words: str) -> tuple[int, str, str]:
    """How an administrator's command ends, and what it prints."""
    administrator = certificates.credentials(ADMIN).authority.parent
    environment = {
        "CROSSREGION_COORDINATOR": it.endpoint,
        "CROSSREGION_CREDENTIALS": str(administrator),
        "CROSSREGION_FEDERATION": FEDERATION,
    }
    result = await asyncio.to_thread(CliRunner(env=environment).invoke, main, ["network", *words])
    return result.exit_code, result.stdout, result.stderr


def test_the_commands_show_paths_and_the_matrix(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with reporting(certificates, tmp_path / "data", sichuan=[]) as it:
            changed = ("--class", "y1541-0", "--change", f"{DIRECT}:delay_us=1000")
            code, out, errors = await command(certificates, it, "paths", "sichuan", "guangdong", *changed)
            assert (code, errors) == (0, "")
            assert "y1541-0: kept; left: delay" in out
            assert "The delay changes by -" in out
            every = [word for each in links_at_chengdu() for word in ("--down", each)]
            code, _, errors = await command(certificates, it, "paths", "chengdu", "beijing", *every)
            assert (code, errors) == (1, "Error: there is no way from chengdu to beijing\n")
            code, out, _ = await command(certificates, it, "matrix", "--json", "--region", "sichuan")
            assert code == 0
            assert len(json.loads(out)["pairs"]) == 30
            code, out, _ = await command(certificates, it, "matrix", "--region", "tibet", "--down", DIRECT)
            assert code == 0
            assert f"Down: Chengdu - Guangzhou ({DIRECT})" in out

    run(scenario())


def links_at_chengdu() -> list[str]:
    return [each.id for each in CONFIGURATION.network.links if "chengdu" in (each.site_a, each.site_b)]


def test_the_page_needs_nothing_besides_itself_and_marks_what_a_class_does_not_allow(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with reporting(certificates, tmp_path / "data") as it:
            file = tmp_path / "paths.html"
            slow = ("--class", "y1541-0", "--change", "chengdu-lhasa-1:delay_us=200000", "--html", str(file))
            code, _, errors = await command(certificates, it, "matrix", *slow)
            assert code == 0, errors
            text = file.read_text("utf-8")
            assert "default-src 'none'" in unescape(text)
            assert "<script" not in text
            assert "http://" not in text
            assert "https://" not in text
            assert text.count("<table") == 4
            assert '<html lang="en">' in text
            assert ">Sichuan<" in text

    run(scenario())
