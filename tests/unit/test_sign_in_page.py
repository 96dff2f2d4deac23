"""The pages before somebody is signed in: they name the region, and say as what people work, and until when."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from coordinator.console.console import console as console_of_coordinator
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.rpc.in_process import InProcess
from gateway.rpc.interceptor import BorderPorts
from gateway.time.clock import SystemClock
from gateway.web.console.application import ConsoleApplication
from gateway.web.console.pages import WebConsole
from gateway.web.console.sign_in import SignInByProvider
from region_node.console.served import own_name
from tests.shipped import shipped_configuration
from tests.unit.console_pages import CONSOLE
from tests.unit.test_complaint_report import read


def page_of(console: WebConsole, language: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the page that a browser without a certificate gets from a process that has read no names yet."""
    provider = cast("SignInByProvider", SimpleNamespace(address=lambda *_: "https://provider.example"))
    monkeypatch.setattr("gateway.web.console.application.certificates_of", lambda _: {})
    console = replace(console, sign_in=provider)
    served = ConsoleApplication(console, cast("InProcess", None), cast("BorderPorts", None)).served()
    request = make_mocked_request("GET", "/sign-in", headers={"Accept-Language": language, "Host": "node.example"})

    async def answered() -> web.StreamResponse:
        return await (await served.router.resolve(request)).handler(request)

    answer = asyncio.run(answered())
    assert isinstance(answer, web.Response)
    return [each.strip() for each in read(str(answer.text)).texts]


@pytest.mark.parametrize(
    ("language", "brand", "told"),
    [
        (
            "en",
            "crossregion · Guangdong",
            "You work as staff of Guangdong for 12 hours at most; 30 minutes without use end it.",
        ),
        ("zh", "crossregion · 广东", "您以广东工作人员身份工作，最长12小时；30分钟未操作即结束。"),
    ],
)
def test_the_page_that_leads_to_the_sign_in_names_the_region_in_the_language_of_its_reader(
    language: str, brand: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = CurrentFederation()
    current.update(Federation(1, shipped_configuration()), ())
    page = page_of(replace(CONSOLE, at_hand=lambda: own_name(current, "guangdong")), language, monkeypatch)
    assert (brand in page, told in page) == (True, True)


def test_a_region_without_a_configuration_has_its_id_on_that_page(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(replace(CONSOLE, at_hand=lambda: own_name(CurrentFederation(), "guangdong")), "en", monkeypatch)
    assert "crossregion · guangdong" in page


def test_administrators_read_there_that_they_work_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "You work as an administrator for 12 hours at most; 30 minutes without use end it."
    assert told in page_of(console_of_coordinator(SystemClock()), "en", monkeypatch)
