"""The present day and month of a page of a console."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from google.protobuf.message import Message

from coordinator.console.console import console
from gateway.api.coordinator.v1.administration_pb2 import GetTermsResponse
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityRequest, ReportQualityResponse
from gateway.api.federation.v1.terms_pb2 import RegionTerm, Terms
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.in_process import Arrival, InProcess
from gateway.rpc.interceptor import BorderPorts
from gateway.security.identity import Identity
from gateway.time.clock import SystemClock
from gateway.web.console.application import ConsoleApplication
from gateway.web.console.framing import Person
from gateway.web.console.sessions import Sessions
from gateway.wording.times import in_shown_zone

ADMIN = Identity("crossregion.example", Role.ROLE_ADMIN, "", "root")
IN_CHINA = GetTermsResponse(terms=Terms(regions=[RegionTerm(region="sichuan", time_zone="Asia/Shanghai")]))


def test_a_page_is_of_the_month_in_the_zone_in_which_its_times_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Calls:
        async def call(self, _: str, arrival: Arrival) -> Message:
            request = await arrival.read()
            if not isinstance(request, ReportQualityRequest):
                return IN_CHINA
            asked.append(request.month)
            return ReportQualityResponse()

    async def signed_in(*_: object) -> Person:
        sessions = Sessions(lambda: 0.0)
        return Person(ADMIN, sessions.require(sessions.begin(ADMIN.path, b""), ADMIN.path, b""), {})

    monkeypatch.setattr(ConsoleApplication, "_signed_in", signed_in)
    monkeypatch.setattr("gateway.web.console.application.certificates_of", lambda _: {})
    night = replace(console(SystemClock()), now=lambda: datetime(2026, 11, 30, 16, 30, tzinfo=UTC))
    served = ConsoleApplication(night, cast("InProcess", Calls()), cast("BorderPorts", None)).served()
    request = make_mocked_request("GET", "/quality")

    async def read() -> web.StreamResponse:
        return await (await served.router.resolve(request)).handler(request)

    answer = asyncio.run(read())
    assert isinstance(answer, web.Response)
    assert (asked, "2026-12" in str(answer.text)) == (["2026-12"], True)


def test_hours_from_now_are_hours_also_over_a_night_in_which_clocks_change() -> None:
    eve = datetime(2026, 3, 28, 12, tzinfo=UTC)
    in_berlin = Terms(regions=[RegionTerm(region="berlin", time_zone="Europe/Berlin")])
    with console(SystemClock()).reader("en", in_berlin):
        shown = in_shown_zone(eve)
    assert (shown.hour, shown + timedelta(hours=24)) == (13, eve + timedelta(hours=24))
