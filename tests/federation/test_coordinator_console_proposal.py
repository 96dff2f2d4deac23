"""The page of a proposal at a real coordinator: administrators look at a signed revision, and put it in force."""

import html
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import ProposedRevision, RevisionStatement
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.web.console.sessions import MOST_FILES
from tests.administrators import Administrators
from tests.federation.browser import BOUNDARY, ROOT, Browser, hidden_fields
from tests.federation.certificates import FEDERATION
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running
from tests.shipped import shipped_configuration

ADMIN, COLLEAGUE = "admin/root", "admin/second"
PAGE = "configuration/proposal"
_METHOD = admin_api.DESCRIPTOR.services_by_name["ConfigurationService"].methods_by_name["ApplyConfiguration"]
LARGEST = _METHOD.GetOptions().Extensions[access_pb2.largest_request]


@asynccontextmanager
async def signing(directory: Path, databases: Databases) -> AsyncIterator[tuple[Federation, Browser]]:
    """A federation whose administrators sign, and the browser of one who has signed in at its console."""
    people = Administrators(directory, FEDERATION)
    federation = running(directory / "federation", databases, ("henan",), administrators=people, web=["coordinator"])
    async with federation as found:
        yield found, await signed_in(found, ADMIN)


async def signed_in(federation: Federation, person: str) -> Browser:
    """The browser of an administrator who has signed in."""
    browser = Browser.of(federation, person, "coordinator")
    await browser.sign_in()
    return browser


async def proposal(federation: Federation, name: str, signers: Sequence[str]) -> bytes:
    """The file of a proposal that renames Henan, signed by these administrators."""
    wanted = await federation.configuration()
    next(each for each in wanted.regions if each.id == "henan").name.en = name
    return await proposal_of(federation, wanted, signers)


async def proposal_of(federation: Federation, wanted: Configuration, signers: Sequence[str]) -> bytes:
    """The file of a proposal of a configuration, signed by these administrators."""
    assert federation.administrators is not None
    held = await federation.administration.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS)
    signed = federation.administrators.signed(held.place, wanted, federation.clock.now(), signers)
    found = ProposedRevision(revision=signed.revision, configuration=signed.content, previous=held.place)
    return found.SerializeToString()


def out_of_range(file: bytes, time: str) -> bytes:
    """The file of a proposal with one time of its statement beyond the calendar."""
    found = ProposedRevision.FromString(file)
    statement = RevisionStatement.FromString(found.revision.statement)
    getattr(statement, time).seconds = 10**12
    found.revision.statement = statement.SerializeToString()
    return found.SerializeToString()


def shown(page: str) -> str:
    """The texts of a page as a reader sees them."""
    return html.unescape(page)


async def test_a_proposal_is_looked_at_with_one_signature_and_put_in_force_with_that_of_a_second_administrator(
    databases: Databases, tmp_path: Path
) -> None:
    async with signing(tmp_path, databases) as (federation, browser):
        before = await federation.configuration()
        sent = await browser.upload(PAGE, file := await proposal(federation, "Zhongyuan", ["li"]))
        assert sent.status == HTTPStatus.SEE_OTHER
        address = sent.headers["location"]
        page = shown((await browser.open(address)).text)
        assert all(each in page for each in ("regions[henan].name.en", "Zhongyuan", "1 of 2: li"))
        proposed = ProposedRevision.FromString(file)
        signed = admin_api.SignedConfiguration(revision=proposed.revision, content=proposed.configuration)
        request = admin_api.ApplyConfigurationRequest(signed=signed)
        told = await refusal(federation.administration.ApplyConfiguration(request, timeout=CALL_SECONDS))
        assert (told.reason, told.texts["en"] in page) == ("CONFIGURATION_SIGNATURES_INVALID", True)
        refused = await browser.fill_in(address, "apply", {})
        assert told.texts["en"] in shown(refused.text)
        assert await federation.configuration() == before
        second = (await browser.upload(PAGE, await proposal(federation, "Zhongyuan", ["li", "wang"]))).headers
        page = shown((await browser.open(second["location"])).text)
        assert ("2 of 2: li, wang" in page, "cannot be applied" in page) == (True, False)
        applied = await browser.fill_in(second["location"], "apply", {})
        assert (applied.status, applied.headers["location"]) == (
            HTTPStatus.SEE_OTHER,
            f"{ROOT}/configuration/revisions",
        )
        assert "Revision 2 is in force." in shown((await browser.open(applied.headers["location"])).text)
        names = {each.id: each.name.en for each in (await federation.configuration()).regions}
        assert names["henan"] == "Zhongyuan"
        actors = "SELECT DISTINCT actor FROM audit WHERE action LIKE ?"
        assert (ADMIN,) in federation.coordinator_database.rows(actors, "%CONFIGURATION%")
        assert "2 of 2: li, wang" in shown((await browser.open(second["location"])).text)
        again = await browser.fill_in(second["location"], "apply", {})
        assert again.status == HTTPStatus.SEE_OTHER, "the same revision again changes nothing"
        late = await browser.send(address, await apply_form(browser))
        assert "no longer kept" in shown(late.text), "a session keeps one file"


async def test_the_first_configuration_of_a_federation_is_put_in_force_by_a_proposal(
    databases: Databases, tmp_path: Path
) -> None:
    federation = Federation(tmp_path / "federation", databases)
    federation.administrators = Administrators(tmp_path, FEDERATION)
    federation.open_web("coordinator")
    try:
        await federation.start_coordinator()
        browser = await signed_in(federation, ADMIN)
        file = await proposal_of(federation, shipped_configuration(), ["li", "wang"])
        address = (await browser.upload(PAGE, file)).headers["location"]
        page = shown((await browser.open(address)).text)
        assert all(each in page for each in ("administration.threshold", "2 of 2: li, wang"))
        assert "cannot be applied" not in page
        applied = await browser.fill_in(address, "apply", {})
        assert "Revision 1 is in force." in shown((await browser.open(applied.headers["location"])).text)
        assert "henan" in {each.id for each in (await federation.configuration()).regions}
    finally:
        await federation.stop()
    federation.give_back_databases()


async def test_a_file_is_for_the_session_and_the_console_that_it_was_sent_to_alone(
    databases: Databases, tmp_path: Path
) -> None:
    async with signing(tmp_path, databases) as (federation, browser):
        file = await proposal(federation, "Zhongyuan", ["li", "wang"])
        address = (await browser.upload(PAGE, file)).headers["location"]
        colleague = await signed_in(federation, COLLEAGUE)
        page = shown((await colleague.open(address)).text)
        assert ("no longer kept" in page, "Zhongyuan" in page) == (True, False)
        assert "no longer kept" in shown((await colleague.send(address, await apply_form(colleague))).text)
        for token in ("", "x", hidden_fields((await colleague.open(PAGE)).text, "")["token"]):
            assert "FORM_UNTRUSTED" in (await browser.upload(PAGE, file, token)).text, token
        foreign = await browser.send_body(PAGE, b"", Origin="https://elsewhere.example")
        assert "FORM_UNTRUSTED" in foreign.text
        stranger = Browser.of(federation, "region/henan/staff/wang", "coordinator")
        assert (await stranger.send_body(PAGE, b"")).status == HTTPStatus.FORBIDDEN
        nobody = Browser.of(federation, COLLEAGUE, "coordinator")
        assert "SESSION_MISSING" in (await nobody.send_body(PAGE, b"")).text
        others = [await signed_in(federation, COLLEAGUE) for _ in range(MOST_FILES)]
        for each in others:
            await each.upload(PAGE, file)
        assert "no longer kept" in shown((await browser.open(address)).text), "a process keeps few files"


async def apply_form(browser: Browser) -> dict[str, str]:
    """The form that applies a proposal, for a page without one."""
    token = hidden_fields((await browser.open(PAGE)).text, "")["token"]
    return {"token": token, "act": "apply", "request_id": "R1"}


async def test_what_is_no_proposal_is_refused_in_words_and_keeps_nothing(databases: Databases, tmp_path: Path) -> None:
    async with signing(tmp_path, databases) as (federation, browser):
        stale = await proposal(federation, "Zhongyuan", ["li", "wang"])
        for content, told in (
            (b"", "CONFIGURATION_SIGNATURES_INVALID"),
            (out_of_range(stale, "issue_time"), "a time of the statement is out of range"),
            (out_of_range(stale, "end_time"), "a time of the statement is out of range"),
            (b"\xff\xff", "is no proposal"),
            (bytes(1_000), "is no proposal"),
        ):
            page = (await browser.open((await browser.upload(PAGE, content)).headers["location"])).text
            assert told in shown(page), content
            with pytest.raises(AssertionError, match="no form"):
                hidden_fields(page, "apply")
        await federation.apply(await federation.configuration())
        page = shown((await browser.open((await browser.upload(PAGE, stale)).headers["location"])).text)
        assert ("CONFIGURATION_CHANGED" in page, "Zhongyuan" in page) == (True, True)
        large = await browser.upload(PAGE, bytes(LARGEST + 1))
        assert ("MESSAGE_TOO_LARGE" in large.text, large.status) == (True, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no parts at all",
        f"--{BOUNDARY}--\r\n".encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\nfirst\r\n--{BOUNDARY}--\r\n'.encode(),
        f"--{BOUNDARY}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n--{BOUNDARY}--\r\n".encode(),
        f"--{BOUNDARY}\r\n{'a' * 100_000}: b\r\n\r\n--{BOUNDARY}--\r\n".encode(),
    ],
)
async def test_a_body_of_another_form_is_refused_as_such(federation: Federation, body: bytes) -> None:
    browser = await signed_in(federation, ADMIN)
    answer = await browser.send_body(PAGE, body)
    assert ("REQUEST_INVALID" in answer.text, answer.status) == (True, HTTPStatus.BAD_REQUEST)
    assert (await browser.send_body(PAGE, body, Content_Type="multipart/form-data")).status == HTTPStatus.BAD_REQUEST


async def test_a_coordinator_that_applies_what_nobody_signs_takes_no_file(federation: Federation) -> None:
    browser = await signed_in(federation, ADMIN)
    page = (await browser.open(PAGE)).text
    assert ('type="file"' in page, "no administrator has signed" in page) == (False, True)
    sent = await browser.upload(PAGE, ProposedRevision().SerializeToString())
    name = Reason.Name(Reason.REASON_ANCHOR_MISSING).removeprefix("REASON_")
    assert name in shown((await browser.open(sent.headers["location"])).text)
