"""Pages, and refusals on them, have the names of materials and regions; commands in English have codes and ids."""

import asyncio
from pathlib import Path

import click
import pytest
from google.protobuf.message import Message

import region_node
from gateway.api.federation.v1.configuration_pb2 import Configuration, Material
from gateway.api.federation.v1.terms_pb2 import CodeTerm, RegionTerm, Terms
from gateway.api.region.v1.document_service_pb2 import ListDocumentsResponse, RegisteredDocument
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, listed
from gateway.federation.terms import terms_of
from gateway.web.console.frames import refusal_of
from gateway.web.console.pages import View
from gateway.web.tables import Cell
from gateway.wording.languages import for_reader
from gateway.wording.refusals import told_error
from gateway.wording.terms import learn, material_name, required_line
from region_node.requests.checks import error_of
from tests.unit.console_pages import Answering, order, read_by, text, view_of, visit

TEXTS = Path(region_node.__file__).parent / "texts"
IDENTITY, CODE = text("Identity card", "身份证"), text("One-time code", "短信验证码")
CODES = ("ID_ORIG", "FORMER")
NAMES = Terms(materials=[CodeTerm(code="ID_ORIG", name=IDENTITY), CodeTerm(code="OTP", name=CODE)])
REGION = RegionTerm(region="sichuan", name=text("Sichuan", "四川"))
NAMES_OF_BOTH = Terms(materials=NAMES.materials, regions=[REGION])


def test_the_terms_of_a_configuration_have_each_material_by_its_code() -> None:
    materials = [Material(code="OTP", name=CODE), Material(code="ID_ORIG", name=IDENTITY)]
    assert terms_of(Configuration(materials=materials)) == NAMES


def cells(view: View, *answers: Message, query: str = "") -> list[Cell]:
    """The cells of a page's tables, where the federation has these names."""
    found = asyncio.run(read_by(view, visit(query), Answering(*answers)))
    with for_reader("zh", TEXTS):
        learn(NAMES)
        return [cell for table in view.show(visit(query), found).tables for row in table.rows for cell in row]


def test_a_page_names_the_documents_on_file_and_shows_an_unknown_material_by_its_code() -> None:
    on_file = ListDocumentsResponse(documents=[RegisteredDocument(document_id=each, code=each) for each in CODES])
    shown = cells(view_of("/customers"), on_file, query="number=%2B8619844000001")
    assert [each.text for each in shown if each.note in CODES] == ["身份证（ID_ORIG）", "FORMER"]


def test_an_order_names_its_documents_and_those_that_it_still_requires_though_the_guide_cannot_be_read() -> None:
    found = order()
    found.documents_requested[:] = CODES
    found.request.documents[0].document_id = ""
    found.request.documents.add(code="FORMER")
    shown = [each.text for each in cells(view_of("/orders/{id:.+}"), GetOrderResponse(order=found))]
    assert [shown.count(each) for each in ("身份证（ID_ORIG）、FORMER", "身份证（ID_ORIG）", "FORMER")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (
            Refused(Reason.REASON_DOCUMENT_MISSING, **listed(documents=["ID_ORIG|PWD+OTP", "SIM"])),
            "缺少材料：身份证（ID_ORIG），或PWD和短信验证码（OTP）、SIM。",
        ),
        (Refused(Reason.REASON_DOCUMENT_EXPIRED, document="ID_ORIG"), "材料身份证（ID_ORIG）已过有效期。"),
        (
            Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document="henan/OTP/ID_ORIG"),
            "档案中没有所指的材料henan/OTP/ID_ORIG，或其内容与登记不符。",
        ),
        (Refused(Reason.REASON_NOT_HOME, region="sichuan"), "四川不是该客户的归属地。"),
        (Refused(Reason.REASON_NOT_HOME, region="hunan"), "hunan不是该客户的归属地。"),
    ],
    ids=["missing", "expired", "an id", "a region", "a region without a name"],
)
def test_a_refusal_on_a_page_names_materials_and_regions_and_leaves_ids_of_documents_as_they_are(
    refused: Refused, told: str
) -> None:
    with for_reader("zh", TEXTS):
        learn(NAMES_OF_BOTH)
        assert refusal_of(refused).text == told


@pytest.mark.parametrize(
    ("language", "told"), [("en", "The region Sichuan has not joined yet."), ("zh", "四川尚未接入。")]
)
def test_a_page_names_the_region_of_a_stored_refusal_in_the_language_of_its_reader(language: str, told: str) -> None:
    found = order()
    found.error.CopyFrom(error_of(Refused(Reason.REASON_REGION_NOT_JOINED, region="sichuan")))
    view = view_of("/orders/{id:.+}")
    read = asyncio.run(read_by(view, visit(), Answering(GetOrderResponse(order=found))))
    with for_reader(language, TEXTS):
        learn(NAMES_OF_BOTH)
        shown = view.show(visit(), read)
        assert told in [cell.text for table in shown.tables for row in table.rows for cell in row]


def test_a_stored_refusal_keeps_what_was_added_to_its_text() -> None:
    error = error_of(Refused(Reason.REASON_REGION_NOT_JOINED, region="sichuan"))
    error.message.zh_cn += "另有说明。"
    with for_reader("zh", TEXTS):
        learn(NAMES_OF_BOTH)
        assert told_error(error) == "sichuan尚未接入。另有说明。"


def test_a_line_of_required_documents_is_in_words() -> None:
    with for_reader("en", TEXTS):
        learn(NAMES)
        assert required_line("ID_ORIG|PWD+OTP") == "Identity card (ID_ORIG), or PWD and One-time code (OTP)"


def test_a_command_in_english_shows_the_codes_that_its_options_take() -> None:
    with click.Context(click.Command(None)).scope():
        learn(NAMES)
        assert material_name("ID_ORIG") == "ID_ORIG"
