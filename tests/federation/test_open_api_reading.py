"""TMF642 and TMF620 at a real node: alarms and the catalogue are those of gRPC, for callers who speak HTTP."""

from collections.abc import Awaitable, Sequence
from http import HTTPStatus

import pytest

from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from tests.federation.counter import Counter
from tests.federation.probe import LINK, Probe, raised
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.web_caller import WebCaller, below, by_http_places, web_caller

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
    assert (read.body["href"], read.body["externalAlarmId"]) == (place, "x")
    assert (read.body["sourceSystemId"], read.body["reportingSystemId"]) == ("probe", "probe")
    assert read.body["source"] == probe.source
    for attribute, value in (("sourceSystemId", "probe"), ("source", probe.source)):
        selected = (await web.ask("GET", f"{ALARMS}?{attribute}={value}&limit=500")).bodies
        assert read.body in selected
        assert {each[attribute] for each in selected} == {value}
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
        by_http_places(told.texts["en"]),
    )


def done_to(alarms: AlarmServiceStub, task: str, names: Sequence[str]) -> Awaitable[object]:
    """The RPC that a task is."""
    if task == "ackAlarms":
        return alarms.AcknowledgeAlarms(api.AcknowledgeAlarmsRequest(alarm_ids=names), timeout=CALL_SECONDS)
    return alarms.ClearAlarms(api.ClearAlarmsRequest(alarm_ids=names), timeout=CALL_SECONDS)


@pytest.mark.parametrize(
    ("task", "user", "done", "attribute", "word"),
    [
        ("ackAlarms", "ackUserId", "ackedAlarm", "ackState", "acknowledged"),
        ("clearAlarms", "clearUserId", "clearedAlarm", "state", "cleared"),
    ],
)
async def test_a_task_does_to_all_alarms_that_it_names_what_the_rpc_does_or_to_none(
    federation: Federation, web: WebCaller, task: str, user: str, done: str, attribute: str, word: str
) -> None:
    probe, person = Probe(federation, "guangdong", federation.next_id()), "region/guangdong/staff/wang"
    await probe.report(*(raised(each, federation.clock.now()) for each in ("x", "y")))
    ids = [each.id for each in await probe.alarms()]
    path, staff = f"{ALARMS.removesuffix('alarm')}{task}", web_caller(federation, person, {})
    by_grpc = AlarmServiceStub(federation.dial_node("guangdong", person))
    denied = await web.ask("POST", path, {"alarmPattern": [{"id": each} for each in ids]})
    assert (denied.status, denied.body["code"]) == (HTTPStatus.FORBIDDEN, "PERMISSION_DENIED")
    for names, status in (([*ids, "guangdong/alarm-none"], HTTPStatus.NOT_FOUND), ([], HTTPStatus.BAD_REQUEST)):
        told = await refusal(done_to(by_grpc, task, names))
        refused = await staff.ask("POST", path, {"alarmPattern": [{"id": each} for each in names]})
        found = (refused.status, refused.body["code"], refused.body["reason"])
        assert found == (status, told.reason, by_http_places(told.texts["en"]))
    assert [each.id for each in await probe.alarms(unacknowledged=True)] == ids, "a refused task has changed an alarm"
    made = await staff.ask("POST", path, {"alarmPattern": [{"id": each} for each in ids], user: "li"})
    assert (made.status, made.body["state"], "location" in made.headers) == (HTTPStatus.CREATED, "done", False)
    assert made.body[user] == "wang", "a task was done in the name of somebody else"
    now = [(await web.ask("GET", below(ALARMS, each))).body for each in ids]
    assert (made.body[done], [each[attribute] for each in now]) == (now, [word, word])


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
        by_http_places(told.texts["en"]),
    )
    assert (await web.ask("POST", OFFERINGS, b"{}")).status == HTTPStatus.METHOD_NOT_ALLOWED
