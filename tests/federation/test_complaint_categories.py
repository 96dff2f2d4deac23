"""The categories of complaints, and what a node proposes for a text: the same at every node, and kept nowhere."""

import logging
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory
from gateway.api.region.v1 import catalogue_service_pb2 as api
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_privacy import traced
from tests.federation.test_verification_privacy import files_of

UNUSUAL = "张阿根家的龙眼树"
TEXT = f"网速慢得要命，一到晚上就卡顿，{UNUSUAL}"


async def proposed(counter: Counter, text: str) -> api.ProposeComplaintCategoryResponse:
    """A node's proposal for a text."""
    request = api.ProposeComplaintCategoryRequest(text=text)
    return await counter.catalogue.ProposeComplaintCategory(request, timeout=CALL_SECONDS)


async def test_every_node_proposes_the_same_category_with_the_words_that_decided(federation: Federation) -> None:
    answers = [await proposed(Counter(federation, region), TEXT) for region in ("guangdong", "henan", "sichuan")]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].category == "NET_SPEED"
    assert 0.5 < answers[0].confidence < 1
    first = answers[0].candidates[0]
    assert (first.category, first.confidence) == ("NET_SPEED", answers[0].confidence)
    assert "网速" in [word.text for word in first.words]


async def test_where_nobody_could_tell_a_person_decides(guangdong: Counter) -> None:
    unknown = await proposed(guangdong, "你好")
    assert (unknown.category, unknown.confidence, list(unknown.candidates)) == ("", 0, [])
    between = await proposed(guangdong, "网速慢，还乱收费")
    assert between.category == ""
    assert {each.category for each in between.candidates} == {"NET_SPEED", "BILL_WRONG"}
    assert between.confidence == between.candidates[0].confidence > 0


@pytest.mark.parametrize("text", ["", " \n", "慢" * 10_001])
async def test_a_text_that_is_missing_or_too_long_is_refused(guangdong: Counter, text: str) -> None:
    told = await refusal(proposed(guangdong, text))
    assert told.reason == "REQUEST_INVALID"
    assert told.parameters["field"] == "text"


@pytest.mark.clause("6.4(3)")
async def test_the_categories_come_in_pages_with_their_departments_and_limits(
    federation: Federation, guangdong: Counter
) -> None:
    found: list[ComplaintCategory] = []
    token = ""
    while True:
        request = api.ListComplaintCategoriesRequest(page_size=10, page_token=token)
        page = await guangdong.catalogue.ListComplaintCategories(request, timeout=CALL_SECONDS)
        found += page.categories
        token = page.next_page_token
        if not token:
            break
    in_force = (await federation.configuration()).complaint_categories
    assert found == sorted(in_force, key=lambda each: each.code)
    assert all(each.departments and each.severity for each in found)


async def test_the_causes_of_resolutions_come_by_code_with_their_names(
    federation: Federation, guangdong: Counter
) -> None:
    page = await guangdong.catalogue.ListResolutionCauses(api.ListResolutionCausesRequest(), timeout=CALL_SECONDS)
    in_force = (await federation.configuration()).resolution_causes
    assert list(page.causes) == sorted(in_force, key=lambda each: each.code)
    assert all(each.name.zh_cn and each.name.en for each in page.causes)


async def test_the_text_of_a_complaint_stands_in_no_log_span_database_or_file(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("gateway", "region_node", "coordinator"):
        caplog.set_level(logging.DEBUG, logger=package)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        counter = Counter(federation, "guangdong")
        assert (await proposed(counter, TEXT)).category == "NET_SPEED"
        await refusal(proposed(counter, TEXT + "\0"))
        raw = [federation.database(region).raw() for region in federation.nodes]
        raw.append(federation.coordinator_database.raw())
    raw.append("\n".join(logging.Formatter().format(record) for record in caplog.records).encode())
    raw += files_of(tmp_path)[0].values()
    assert b"ProposeComplaintCategory" in spans.path.read_bytes(), "the search finds what is there"
    assert not any(UNUSUAL.encode() in told or "网速慢".encode() in told for told in raw)
