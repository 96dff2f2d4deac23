"""TMF642 and TMF620 at a real node: alarms and the catalogue are those of gRPC, for callers who speak HTTP."""

from http import HTTPStatus

import pytest

from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from tests.federation.counter import Counter
from tests.federation.probe import LINK, Probe, raised
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.web_caller import WebCaller, below, web_caller

ALARMS = "/tmf-api/alarm/v4/alarm"
OFFERINGS = "/tmf-api/productCatalogManagement/v4/productOffering"


@pytest.fixture
def web(federation: Federation, guangdong: Counter) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, guangdong.path)


async def test_an_alarm_is_listed_read_acknowledged_and_cleared_as_by_grpc(
    federation: Federation, web: WebCaller
) -> None:
    probe = Probe(federation, "guangdong", federation.next_id())
    await probe.report(raised("x", federation.clock.now()))
    (alarm,) = await probe.alarms()
    place, staff = below(ALARMS, alarm.id), web_caller(federation, "region/guangdong/staff/wang", {})
    query = f"{ALARMS}?state=raised,updated&alarmedObjectType=link&alarmedObject.id={LINK}&limit=500"
    listed = [each for each in (await web.ask("GET", query)).bodies if each["id"] == alarm.id]
    read = await web.ask("GET", place)
    assert (listed, read.status) == ([read.body], HTTPStatus.OK)
    assert (read.body["href"], read.body["sourceSystemId"], read.body["externalAlarmId"]) == (place, "probe", "x")
    by_grpc = await probe.alarming.GetAlarm(api.GetAlarmRequest(alarm_id=alarm.id), timeout=CALL_SECONDS)
    assert by_grpc.alarm == alarm
    by_operator = await web.ask("PATCH", place, {"ackState": "acknowledged"})
    assert (by_operator.status, by_operator.body["code"]) == (HTTPStatus.FORBIDDEN, "PERMISSION_DENIED")
    for name, word in (("ackState", "acknowledged"), ("state", "cleared")):
        changed = await staff.ask("PATCH", place, {name: word})
        assert (changed.status, changed.body[name]) == (HTTPStatus.OK, word)
    told = await refusal(
        probe.alarming.GetAlarm(api.GetAlarmRequest(alarm_id="guangdong/alarm-none"), timeout=CALL_SECONDS)
    )
    missing = await web.ask("GET", below(ALARMS, "guangdong/alarm-none"))
    assert (missing.status, missing.body["code"], missing.body["reason"]) == (
        HTTPStatus.NOT_FOUND,
        told.reason,
        told.texts["en"],
    )


async def test_the_catalogue_lists_each_business_once_and_tells_its_guide(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    found: list[str] = []
    path = f"{OFFERINGS}?limit=20&fields=name"
    while path:
        page = await web.ask("GET", path, Accept_Language="zh-CN")
        found += [str(each["id"]) for each in page.bodies]
        path = page.headers.get("link", "").partition(">; ")[0].removeprefix("<")
    assert len(found) == len(set(found))
    assert {"SUSPEND", "RESUME", "PAY"} <= set(found)
    read = await web.ask("GET", below(OFFERINGS, "SUSPEND"))
    catalogue = CatalogueServiceStub(federation.dial_node("guangdong", guangdong.path))
    guide = await catalogue.GetBusinessGuide(GetBusinessGuideRequest(business="SUSPEND"), timeout=CALL_SECONDS)
    assert (read.body["name"], len(read.body["material"])) == (guide.business.name.en, len(guide.materials))  # type: ignore[arg-type]
    told = await refusal(catalogue.GetBusinessGuide(GetBusinessGuideRequest(business="NO"), timeout=CALL_SECONDS))
    missing = await web.ask("GET", below(OFFERINGS, "NO"))
    assert (missing.status, missing.body["code"], missing.body["reason"]) == (
        HTTPStatus.NOT_FOUND,
        told.reason,
        told.texts["en"],
    )
    assert (await web.ask("POST", OFFERINGS, b"{}")).status == HTTPStatus.METHOD_NOT_ALLOWED
