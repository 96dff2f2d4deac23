"""Administrators without a certificate, who sign in at the console of a coordinator by their identity provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.federation.browser import ROOT, Browser
from tests.federation.databases import Databases
from tests.federation.running import Federation
from tests.federation.test_sign_in import came_back, denied
from tests.federation.token_provider import TokenProvider, token_provider
from tests.federation.web_caller import without_certificate


@asynccontextmanager
async def signing_in_by(provider: TokenProvider, directory: Path, databases: Databases) -> AsyncIterator[Federation]:
    """A federation of Henan, at whose coordinator administrators sign in by a provider."""
    federation = Federation(directory, databases)
    federation.open_web("coordinator")
    federation.web["coordinator"] = replace(federation.web["coordinator"], oidc=provider.console)
    try:
        await federation.start(("henan",))
        yield federation
    finally:
        await federation.stop()
    federation.give_back_databases()


async def test_an_administrator_signs_in_at_the_identity_provider_and_suspends_a_region(
    databases: Databases, tmp_path: Path
) -> None:
    with token_provider(tmp_path) as provider:
        async with signing_in_by(provider, tmp_path, databases) as federation:
            browser = Browser(without_certificate(federation, "coordinator", headers={}))
            assert (await browser.open("board")).status == HTTPStatus.SEE_OTHER
            for changes in ({"groups": "others"}, {"preferred_username": "no name"}, {"preferred_username": None}):
                provider.changes = changes
                refused = denied(await browser.open(await came_back(browser, provider, f"{ROOT}/board")))
                assert refused == f"{HTTPStatus.UNAUTHORIZED:d} STAFF_PROOF_INVALID", changes
            provider.changes = {}
            answer = await browser.open(await came_back(browser, provider, f"{ROOT}/board", "zhou"))
            assert answer.headers["refresh"] == f"0; url={ROOT}/board"
            assert (await browser.open("board")).status == HTTPStatus.OK
            await browser.fill_in("regions/henan/membership", "suspend", {"note": "key under suspicion"})
            assert (await federation.members())["henan"].state == MemberState.MEMBER_STATE_SUSPENDED
            actors = "SELECT DISTINCT actor FROM audit WHERE detail LIKE ?"
            assert federation.coordinator_database.rows(actors, "%under suspicion%") == [("admin/zhou",)]
