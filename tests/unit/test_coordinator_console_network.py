"""The pages of a coordinator's console about the network, without a server."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from coordinator.risks.rules import listed
from coordinator.wording.paths import STEPS
from gateway.api.coordinator.v1.problem_service_pb2 import RecordReportRequest, ReportKind
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksRequest, RiskAct
from gateway.api.federation.v1.problem_pb2 import NetworkElementKind
from gateway.api.federation.v1.risk_pb2 import RiskSource
from gateway.errors import Refused
from gateway.web.console.fields import Fields
from gateway.web.html_pages import HtmlPages
from tests.unit.console_pages import Answering, shown_by, visit
from tests.unit.network_answers import CHANGED, matrix, network, problem, problems, ways
from tests.unit.test_complaint_report import read
from tests.unit.test_coordinator_console import ADMIN, CONSOLE, orders, outages, regions, risks, view_of, written


def test_the_regions_of_the_board_are_on_a_map_where_each_has_a_site_with_a_position() -> None:
    told = network()
    for number, region in enumerate(("guangdong", "henan", "sichuan")):
        site = told.configuration.network.sites.add(id=f"{region}-1", region=region)
        site.location.latitude, site.location.longitude = 23 + 6 * number, 113 - 4 * number
    answers = (regions(), orders(), problems(), outages())
    on_map, on_ring = written("/board", *answers, told), written("/board", *answers, network())
    told.configuration.network.sites[1].ClearField("location")
    without_one = written("/board", *answers, told)
    assert [points(each) for each in (on_ring, without_one)] == [points(without_one)] * 2
    north, east = points(on_map)["henan"], points(on_map)["guangdong"]
    assert (north[1] < east[1], north[0] < east[0]) == (True, True)


def points(page: str) -> dict[str, tuple[float, float]]:
    """The places of the map of a page, by their names."""
    drawn = re.findall(r'<circle cx="([0-9.]+)" cy="([0-9.]+)" r="[0-9.]+" class="place [^>]*><title>([^:<：]+)', page)
    return {name: (float(x), float(y)) for x, y, name in drawn}


def test_the_delays_between_regions_are_a_heat_map_whose_cells_lead_to_their_paths_before_and_after_a_change() -> None:
    page = written("/network", network(), matrix(), query=CHANGED)
    told = read(page)
    assert {"20", "9", "×", "20.000 ms", "9.000 ms", "不满足"} <= {*told.texts}
    assert 'class="heat-7 over"' in page, "the most delay has the full colour, and a frame where it keeps no class"
    query = {"from": "guangdong", "to": "sichuan", "class": "voice", "change": "xian-1:delay_us=9000"}
    assert f'href="{html.escape("/console/network/paths?" + urlencode(query))}"' in page


def test_the_pairs_that_need_a_look_come_first_and_a_region_has_all_of_its_own() -> None:
    def pairs(query: str) -> list[str]:
        shown = shown_by(CONSOLE, view_of("/network"), visit(query, ADMIN), Answering(network(), matrix()))
        return [row[0].text for row in shown.tables[-1].rows]

    assert pairs("") == ["guangdong · henan", "guangdong · sichuan"], "no way, then the longest"
    assert pairs("region=sichuan") == ["guangdong · sichuan"]


def test_a_change_of_no_link_and_a_text_that_is_no_change_are_refused() -> None:
    for query, reason in (("change=nowhere:delay_us=1", "LINK_UNKNOWN"), ("change=xian-1:speed=1", "REQUEST_INVALID")):
        with pytest.raises(Refused, match=reason):
            written("/network", network(), matrix(), query=query)


def test_the_paths_of_a_pair_are_bars_with_the_bound_of_the_class_and_their_links() -> None:
    query = f"from=guangdong&to=sichuan&{CHANGED}"
    texts = read(written("/network/paths", network(), ways(), query=query)).texts
    assert "最优路径: 20.000 ms" in texts
    assert "变更后最优路径: 9.000 ms" in texts
    assert any("-11.000 ms" in each for each in texts)
    assert any("15.000 ms" in each for each in texts), "the bound"
    assert texts.count("xian-1") == 6, "the link of each path"
    assert "广州至chengdu" in texts, "a site by its name, or by its id without one"
    assert (texts.count("广州 – chengdu"), texts.count("广州")) == (6, 6)
    assert (texts.count("guangzhou – chengdu"), texts.count("guangzhou")) == (6, 6), "the ids that a command takes"


def test_the_links_of_paths_stand_with_the_names_of_their_ends() -> None:
    told, answer, found = network(), matrix(), ways()
    told.configuration.network.links.add(id="henan-1", site_a="guangzhou", site_b="henan")
    link = told.configuration.network.links[0]
    link.site_a, link.site_b = "guangzhou", "xian"
    found.down.append("henan-1")
    page = written("/network", told, answer)
    assert [each for each in (">广州 - xian（xian-1）</td>", "广州 - henan（henan-1）") if each not in page] == []
    texts = read(written("/network/paths", told, found, query="from=guangdong&to=sichuan")).texts
    assert texts.count("广州 - xian（xian-1）") == 6, "the link of each path"
    assert [each for each in texts if "henan-1" in each] == ["中断的链路：广州 - henan（henan-1）"]


def test_a_risk_of_accidents_leads_to_its_problem_and_to_the_one_before() -> None:
    def links(*, lasts: bool) -> list[str]:
        found = risks()
        risk = found.risks[0]
        risk.source, risk.signal_detail = RiskSource.RISK_SOURCE_ACCIDENT, "problem-2"
        risk.signal_lasts = lasts
        for note in ("problem-1 3", "problem-2"):
            risk.history.add(act=RiskAct.RISK_ACT_SIGNAL_BEGAN, note=note)
            risk.history.add(act=RiskAct.RISK_ACT_SIGNAL_ENDED)
        told = listed(found.risks, ListRisksRequest(), datetime.now(UTC))
        del found.risks[:]
        found.risks.extend(told)
        return re.findall(r'href="/console/problems/([^"?]+)', written("/risks", found))

    assert links(lasts=True) == ["problem-2", "problem-1"]
    assert links(lasts=False) == ["problem-2"], "the last one, although its signal is over"


def test_a_problem_shows_its_evidence_and_a_form_for_the_reports_that_are_left() -> None:
    page = written("/problems/{id}", problem(), id="problem-1")
    texts = read(page).texts
    assert texts.index("sichuan/alarm/2") < texts.index("sichuan/alarm/1"), "the event that reports the cause first"
    assert ('<option value="written">' in page, '<option value="oral">' in page) == (True, False)
    (form,) = view_of("/problems/{id}").forms
    sent = replace(visit("", ADMIN, id="problem-1"), form=Fields.parsed("act=report-made&kind=written"))
    assert form.request(sent) == RecordReportRequest(problem_id="problem-1", kind=ReportKind.REPORT_KIND_WRITTEN)


def test_the_pages_of_problems_and_outages_name_the_elements_of_the_network() -> None:
    told, listed, one, out = network(), problems(), problem(), outages()
    registry = told.configuration.network
    registry.links.add(id="chengdu-1", site_a="guangzhou", site_b="chengdu")
    registry.services.add(id="broadband").name.zh_cn = "广州宽带"
    for cause in (listed.problems[0].header.root_cause, one.problem.header.root_cause, out.outages[0].element):
        cause.kind = NetworkElementKind.NETWORK_ELEMENT_KIND_LINK
        cause.id = "chengdu-1"
    one.events[0].links[:] = ["chengdu-1", "unknown-1"]
    pages = {
        "board": written("/board", regions(), orders(), listed, out, told),
        "problems": written("/problems", listed, told),
        "problem": written("/problems/{id}", one, told, id="problem-1"),
    }
    link = "广州 - chengdu（chengdu-1）"
    assert {name: page.count(f"链路 {link}") for name, page in pages.items()} == {
        "board": 2,
        "problems": 1,
        "problem": 1,
    }
    assert [each for each in ("广州宽带（broadband）", f"{link}、unknown-1") if each not in pages["problem"]] == []


def test_the_style_sheet_has_a_colour_for_each_step_of_a_heat_map() -> None:
    style = HtmlPages(CONSOLE.templates).style()
    assert (f".heat-{STEPS - 1} " in style, f".heat-{STEPS} " in style) == (True, False)
