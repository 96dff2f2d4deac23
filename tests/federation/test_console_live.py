"""The live board of a coordinator: what its stream tells, how it resumes, and when it ends."""

from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.web.console import live
from tests.federation.browser import Browser, hidden_fields
from tests.federation.databases import Databases
from tests.federation.event_stream import event_stream
from tests.federation.running import running
from tests.federation.test_revocation import publish, serial_of, signed

ADMIN = "admin/root"
PATH = "board/events"


async def test_a_suspension_is_told_to_all_who_watch_a_cut_stream_resumes_and_all_end_with_the_session(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WHOLE_SECONDS", 600.0)
    async with running(tmp_path, databases, ("henan",), web=["coordinator"]) as federation:
        browser = Browser.of(federation, ADMIN, "coordinator")
        assert (await browser.open(PATH)).status == HTTPStatus.SEE_OTHER
        page = (await browser.sign_in()).text
        assert (await browser.open(f"{PATH}?sorted=yes")).status == HTTPStatus.BAD_REQUEST
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(event_stream(browser, PATH))
            assert first.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert "default-src 'self'" in first.answer.headers["content-security-policy"]
            assert first.answer.headers["cache-control"] == "no-store"
            board = await first.next()
            assert (board.name, "regions/henan" in board.data, "<main" in board.data) == ("message", True, False)
            resumed = await stack.enter_async_context(event_stream(browser, PATH, board.id))
            forgetful = await stack.enter_async_context(event_stream(browser, PATH, "another"))
            assert await forgetful.next() == board
            await browser.fill_in("regions/henan/membership", "suspend", {"note": "key under suspicion"})
            told = [await each.next() for each in (first, resumed, forgetful)]
            assert all("key under suspicion" in each.data for each in told)
            assert {each.id for each in told} == {told[0].id} != {board.id}
            await stack.enter_async_context(event_stream(browser, PATH))
            crowded = await stack.enter_async_context(event_stream(browser, PATH))
            assert crowded.answer.status == HTTPStatus.TOO_MANY_REQUESTS
            await browser.send("sign-out", hidden_fields(page, ""))
            assert {(await each.next()).name for each in (first, resumed, forgetful)} == {"ended"}


async def test_a_stream_ends_with_the_revocation_of_its_certificate_and_those_of_others_go_on(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WHOLE_SECONDS", 600.0)
    async with running(tmp_path, databases, ("henan",), web=["coordinator"]) as federation:
        thief, honest = (Browser.of(federation, path, "coordinator") for path in ("admin/stolen", ADMIN))
        for browser in (thief, honest):
            await browser.sign_in()
        async with event_stream(thief, PATH) as stolen, event_stream(honest, PATH) as own:
            assert (await stolen.next()).id == (await own.next()).id
            await publish(federation, signed(federation, 5, serial_of(federation, "admin/stolen")))
            assert (await stolen.next()).name == "ended"
            async with event_stream(thief, PATH) as again:
                assert again.answer.status == HTTPStatus.UNAUTHORIZED
            await honest.fill_in("regions/henan/membership", "suspend", {"note": "key under suspicion"})
            assert "key under suspicion" in (await own.next()).data
