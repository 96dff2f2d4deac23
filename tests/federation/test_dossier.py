"""The regulator's dossier: exported by staff of the origin region, once the regulator is next."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1 import dossier_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.dossier_service_pb2_grpc import DossierServiceStub
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, WAIT, Counter, seconds
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation
from tests.federation.test_complaint_cases import assign
from tests.federation.test_complaint_command import said
from tests.federation.test_complaints import staff, triggers

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
YES, NO = api.Statement.STATEMENT_YES, api.Statement.STATEMENT_NO
TOLD = {"direct_interest": YES, "settled": NO, "appealed": NO, "elsewhere": NO}
WHO = api.Appellant(name="张三", address="广州市天河路1号", postal_code="510000")


@dataclass(frozen=True)
class Desk:
    """The staff of a region's node for the regulator."""

    federation: Federation
    region: str
    name: str = "staff/li"

    @property
    def service(self) -> DossierServiceStub:
        """The dossier service of the region's node."""
        return DossierServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    async def export(self, ticket_id: str, *, asks: bool = False, who: api.Appellant = WHO) -> api.Dossier:
        """The dossier, with everything said that nobody has on record."""
        occurred = self.federation.clock.now().date() - timedelta(days=30)
        statements = api.DossierStatements(occurred_date=f"{occurred}", **TOLD)
        request = api.ExportDossierRequest(
            ticket_id=ticket_id, appellant=who, statements=statements, customer_asks=asks
        )
        return (await self.service.ExportDossier(request, timeout=CALL_SECONDS)).dossier

    async def ask(self, ticket_id: str) -> Complaint:
        """The customer wants the regulator."""
        request = api.AskForRegulatorRequest(
            request_id=self.federation.next_id(), ticket_id=ticket_id, requester=REQUESTER, wait=seconds(WAIT)
        )
        return (await self.service.AskForRegulator(request, timeout=CALL_SECONDS)).complaint


def verdict(dossier: api.Dossier) -> str:
    return api.DossierVerdict.Name(dossier.verdict).removeprefix("DOSSIER_VERDICT_")


async def filed(federation: Federation, home: str = "sichuan") -> str:
    """A complaint that its region has taken up."""
    ticket_id = (await Complainant(federation, "guangdong").file("BILL_WRONG", federation.next_number(home))).ticket_id
    await staff(federation, home).reaches(ticket_id, IN_PROGRESS)
    await Complainant(federation, "guangdong").reaches(ticket_id, IN_PROGRESS)
    return ticket_id


async def test_a_complaint_that_nobody_answered_goes_to_the_regulator_once_the_laws_limit_has_passed(
    federation: Federation,
) -> None:
    desk, ticket_id = Desk(federation, "guangdong"), await filed(federation)
    early = await refusal(desk.export(ticket_id))
    assert (early.reason, early.parameters["level"]) == ("DOSSIER_NOT_YET", "1")
    await federation.advance(timedelta(days=16))
    raised = await Complainant(federation, "guangdong").rises(ticket_id, 5)
    dossier = await desk.export(ticket_id)
    assert (dossier.ticket_id, dossier.author, verdict(dossier)) == (ticket_id, "guangdong/li", "ACCEPTABLE")
    assert (dossier.respondent.en, dossier.department.en, dossier.category.zh_cn) == (
        "Sichuan",
        "Billing",
        "计费错误、重复收费",
    )
    assert dossier.complaint == raised
    assert dossier.appellant.telephone == raised.request.number
    assert len(dossier.conditions) == 9
    assert abs(sum((each.duration.ToTimedelta() for each in dossier.ledger), timedelta()) - timedelta(days=16)) < (
        timedelta(minutes=5)
    )
    rows = federation.database("guangdong").rows(
        "SELECT actor, detail FROM audit WHERE action = 'ExportDossier' AND subject = ?", ticket_id
    )
    assert rows == [("region/guangdong/staff/li", "staff li, acceptable")]


async def test_a_customer_who_asks_raises_it_to_the_regulator_at_the_responsible_region(federation: Federation) -> None:
    desk, counter = Desk(federation, "guangdong"), Desk(federation, "guangdong", "operator/counter")
    ticket_id = await filed(federation)
    asked = await counter.ask(ticket_id)
    assert triggers(asked)[-1] == (5, "CUSTOMER_ASKED")
    assert {each.region for each in asked.escalations[2:]} == {"sichuan"}
    assert await staff(federation, "sichuan").get(ticket_id) == asked
    dossier = await desk.export(ticket_id)
    # It was not answered, and there is still time: whoever is asked by the customer is told so.
    refused = [each.article.en for each in dossier.conditions if each.finding == api.DOSSIER_FINDING_NOT_FULFILLED]
    assert (verdict(dossier), refused) == ("REFUSED", ["Order 35, art. 10(4)"])
    await staff(federation, "sichuan").propose(ticket_id)
    await Complainant(federation, "guangdong").reaches(ticket_id, RESOLVED)
    assert (await refusal(counter.ask(ticket_id))).reason == "COMPLAINT_STATE_FORBIDS"
    assert verdict(await desk.export(ticket_id)) == "ACCEPTABLE"


async def test_a_region_that_cannot_be_reached_keeps_nobody_from_the_regulator(federation: Federation) -> None:
    desk, counter = Desk(federation, "guangdong"), Complainant(federation, "guangdong")
    ticket_id = (await counter.file("BILL_WRONG", federation.next_number(NOT_JOINED))).ticket_id
    assert (await refusal(desk.export(ticket_id))).reason == "DOSSIER_NOT_YET"
    assert (await desk.export(ticket_id, asks=True)).respondent.en == "Hunan"


@pytest.mark.files  # nothing of it depends on the engine
async def test_of_a_case_the_home_region_is_complained_against_and_else_those_who_work_on_it(
    federation: Federation,
) -> None:
    desk, counter = Desk(federation, "guangdong"), Complainant(federation, "guangdong")
    known = await counter.file("BILL_ROAM", federation.next_number("sichuan"), location_region="henan")
    assert (known.owner_region, len(known.items)) == ("guangdong", 2)
    dossier = await desk.export(known.ticket_id, asks=True)
    assert dossier.respondent.en == "Sichuan"
    assert "The company of Sichuan;" in dossier.conditions[1].ground.en
    unknown = await counter.file("BILL_ROAM", federation.next_number(""), location_region="henan")
    nobody = await desk.export(unknown.ticket_id, asks=True)
    assert (nobody.respondent.en, verdict(nobody)) == ("", "REFUSED")
    await assign(federation, unknown.ticket_id, "henan", "SETTLEMENT")
    assert (await desk.export(unknown.ticket_id, asks=True)).respondent.en == "Henan"


async def test_an_answered_complaint_is_exported_only_where_the_customer_asks(federation: Federation) -> None:
    desk, ticket_id = Desk(federation, "guangdong"), await filed(federation)
    await staff(federation, "sichuan").propose(ticket_id)
    await Complainant(federation, "guangdong").reaches(ticket_id, RESOLVED)
    assert (await refusal(desk.export(ticket_id))).reason == "DOSSIER_ANSWERED"
    assert verdict(await desk.export(ticket_id, asks=True)) == "ACCEPTABLE"


async def test_only_staff_of_the_first_contact_export_it(federation: Federation) -> None:
    ticket_id = await filed(federation)
    assert (
        await refusal(Desk(federation, "sichuan").export(ticket_id, asks=True))
    ).reason == "COMPLAINT_NOT_FIRST_CONTACT"
    assert (await refusal(Desk(federation, "henan").export(ticket_id, asks=True))).reason == "COMPLAINT_NOT_FOUND"
    operator = Desk(federation, "guangdong", "operator/counter")
    assert (await refusal(operator.export(ticket_id, asks=True))).reason == "PERMISSION_DENIED"
    too_long = api.Appellant(name="长" * 201)
    refused = await refusal(Desk(federation, "guangdong").export(ticket_id, asks=True, who=too_long))
    assert (refused.reason, refused.parameters["field"]) == ("REQUEST_INVALID", "appellant.name")


async def test_of_an_own_customer_the_records_say_who_appeals_and_of_another_regions_nothing(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    desk, complainant = Desk(federation, "guangdong"), Complainant(federation, "guangdong")
    names = []
    for counter in (guangdong, sichuan):
        number = federation.next_number(counter.region)
        await counter.create(counter.customer(number, name="欧阳若兰"))
        ticket_id = (await complainant.file("BILL_WRONG", number)).ticket_id
        names.append((await desk.export(ticket_id, asks=True, who=api.Appellant())).appellant.name)
    assert names == ["欧阳若兰", ""]


@pytest.mark.files  # the commands are the same on either engine
async def test_what_staff_wrote_down_for_themselves_goes_to_no_regulator(
    federation: Federation, tmp_path: Path
) -> None:
    ticket_id, planted = await filed(federation), "PLANTED-PRIVATE-0815"
    for region in ("guangdong", "sichuan"):
        noting = staff(federation, region)
        assert [each.text for each in await noting.note_privately(ticket_id, planted)] == [planted]
        assert planted in str(await noting.told(ticket_id)), "the search finds what is there"
    desk = Desk(federation, "guangdong")
    assert planted not in str(await desk.export(ticket_id, asks=True))
    flags = ("--out", str(tmp_path), "--name", "张三", "--customer-asks")
    ended = await said(federation, "guangdong", "staff/li", "dossier", ticket_id, *flags)
    assert ended.code == 0, ended.err
    files = [tmp_path / f"{ticket_id.replace('/', '-')}.{ending}" for ending in ("json", "md")]
    written = [path.read_text("utf-8") for path in files]
    assert not any(planted in text for text in (*written, ended.out))


@pytest.mark.files  # the commands are the same on either engine
async def test_the_command_writes_both_files_for_their_owner_in_both_languages(
    federation: Federation, tmp_path: Path
) -> None:
    desk = Complainant(federation, "guangdong")
    written = desk.request("BILL_WRONG", federation.next_number("sichuan"), "多收费|<b>**两次**\n还有短信费")
    ticket_id = (await desk.hand_in(written)).ticket_id
    await desk.reaches(ticket_id, IN_PROGRESS)
    flags = (
        "--out",
        str(tmp_path),
        "--name",
        "张三",
        "--direct-interest",
        "yes",
        "--appealed",
        "no",
        "--customer-asks",
    )
    early = await said(federation, "guangdong", "staff/li", "dossier", ticket_id, *flags[:-1])
    assert (early.code, "DOSSIER_NOT_YET" in early.err) == (1, True)
    ended = await said(federation, "guangdong", "staff/li", "dossier", ticket_id, *flags)
    assert ended.code == 0, ended.err
    assert "An appeal would be refused by Order 35, art. 10(4)." in ended.out
    assert "art. 11(4): No record says so." in ended.out
    assert len(ended.out.splitlines()) == 7  # the files, the verdict, and four points that are open
    found, document = (tmp_path / f"{ticket_id.replace('/', '-')}.{ending}" for ending in ("json", "md"))
    assert {path.stat().st_mode & 0o777 for path in (found, document)} == {0o600}
    dossier = json.loads(found.read_text("utf-8"))
    assert (dossier["verdict"], dossier["appellant"]["name"]) == ("DOSSIER_VERDICT_REFUSED", "张三")
    text = document.read_text("utf-8")
    chinese, english = text.split("\n---\n")
    assert "# 申诉材料：投诉" in chinese
    assert "《电信用户申诉处理办法》第十条第（四）项" in chinese
    assert "不符合" in chinese
    assert "Request, reason and facts" in english
    assert "L5" in english
    assert "customer asked" in english
    for part in (chinese, english):
        assert "\n> 多收费\\|\\<b\\>\\*\\*两次\\*\\*\n> 还有短信费\n" in part
    assert (await desk.rises(ticket_id, 5)).level == 5
