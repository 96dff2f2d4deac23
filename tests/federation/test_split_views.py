"""Coordinators that show regions different configurations: the regions find it by what they tell each other."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.app import start as start_coordinator
from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1.administration_pb2 import ApplyConfigurationRequest, SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import DisputedRevision, MemberState
from gateway.api.federation.v1.revision_pb2 import SignedRevision
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.federation.body import CONFIGURATION_DISPUTED
from gateway.federation.revisions import digest, place_of
from region_node.cli.node.revision_checks import check_revisions
from region_node.node.membership.last_good import LastGood
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION
from tests.federation.databases import Databases
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.shipped import shipped_configuration

REGIONS = ("guangdong", "sichuan")
_MINUTES = 40
_PATIENCE_S = 4.0
_TIMEOUT_S = 600  # for a test: an error of `until_disputed`, which has waited for all its minutes, comes before


def first_of(federation: Federation) -> SignedConfiguration:
    """The first revision, as the honest coordinator keeps it."""
    stored = "SELECT signed, content FROM configurations WHERE revision = 1"
    ((signed, content),) = federation.coordinator_database.rows(stored)
    assert isinstance(signed, bytes)
    assert isinstance(content, bytes)
    return SignedConfiguration(revision=SignedRevision.FromString(signed), content=content)


@asynccontextmanager
async def shown_by_another(federation: Federation, *signed: SignedConfiguration, at: str = "0") -> AsyncIterator[None]:
    """Another coordinator takes the place of the first one, with these revisions alone; later the first is back."""
    honest = federation.coordinator
    (data := federation.directory / f"other-{len(signed)}").mkdir()
    settings = CoordinatorSettings(
        FEDERATION,
        f"127.0.0.1:{at}",
        data,
        federation.certificates.credentials("coordinator/0"),
        heartbeat_interval=0.1,
        federation_anchor=federation.administrators.anchor_file if federation.administrators else None,
    )
    federation.coordinator = other = await start_coordinator(settings, federation.clock)
    try:
        for each in signed:
            await applied(federation, each)
        yield
    finally:
        await other.stop()
        federation.coordinator = honest


def renamed(name: str) -> Configuration:
    configuration = shipped_configuration()
    configuration.regions[0].name.en = name
    return configuration


async def until_kept(federation: Federation, region: str, content: bytes) -> None:
    """Returns when a region keeps a configuration on disk."""

    async def holds() -> bool:
        state = LastGood(federation.region_settings(region).data).load()
        return state is not None and state.configuration_content == content

    await until(holds, f"{region} keeps the configuration")


async def until_disputed(federation: Federation, region: str, other: str) -> DisputedRevision:
    """The report of a region about another one. Raises TimeoutError after 40 minutes of the federation's clock.

    A few minutes are enough where none is lost. On a busy machine most may be.
    """
    found: list[DisputedRevision] = []

    async def holds() -> bool:
        report = (await federation.members())[region].report
        found[:] = [each for each in report.disputed_revisions if each.region == other]
        return bool(found)

    for _ in range(_MINUTES):
        # A minute in which clocks are not trusted yet is lost, as one in which the other region is away.
        await federation.advance(timedelta(seconds=61))
        with contextlib.suppress(TimeoutError):
            await until(holds, f"{region} disputes the configuration of {other}", _PATIENCE_S)
            return found[0]
    raise TimeoutError(f"{region} does not dispute the configuration of {other}")


def raised(federation: Federation, region: str) -> list[tuple[str, str]]:
    """The notices of a region to people about configurations: the subject of each, and its matter."""
    rows = federation.database(region).rows("SELECT content FROM escalation_notices ORDER BY create_time")
    notices = [RaisedComplaint.FromString(content) for (content,) in rows if isinstance(content, bytes)]
    return [(each.ticket_id, each.matter) for each in notices if each.ticket_id.startswith("configuration/")]


def audited(federation: Federation, region: str) -> list[tuple[object, ...]]:
    rows = "SELECT actor, action, subject FROM audit WHERE action LIKE 'REVISION_%' ORDER BY sequence"
    return [tuple(each) for each in federation.database(region).rows(rows)]


async def applied(federation: Federation, signed: SignedConfiguration) -> None:
    """A revision in force at the federation's coordinator."""
    request = ApplyConfigurationRequest(signed=signed)
    await federation.administration.ApplyConfiguration(request, timeout=CALL_SECONDS)


@pytest.mark.long("two regions, and two coordinators one after the other")
@pytest.mark.timeout(_TIMEOUT_S)
async def test_regions_find_by_themselves_that_coordinators_show_them_two_configurations(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with running(tmp_path / "federation", databases, REGIONS, administrators=people) as federation:
        first, now = first_of(federation), federation.clock.now()
        stolen = people.signed(place_of(first.revision), renamed("stolen keys"), now)
        honest = people.signed(place_of(first.revision), renamed("renamed"), now)
        await federation.stop_node("sichuan")
        async with shown_by_another(federation, first, stolen):
            await federation.start_node("sichuan")
            await until_kept(federation, "sichuan", stolen.content)
            await federation.stop_node("sichuan")
        await applied(federation, honest)
        await until_kept(federation, "guangdong", honest.content)
        await federation.start_node("sichuan")
        for region, other, own in (("guangdong", "sichuan", honest), ("sichuan", "guangdong", stolen)):
            dispute = await until_disputed(federation, region, other)
            assert (dispute.revision, dispute.known_digest) == (2, digest(own.content))
            assert raised(federation, region) == [(f"configuration/2/{other}", CONFIGURATION_DISPUTED)]
            assert audited(federation, region) == [(f"region/{other}", "REVISION_CONTRADICTED", "configuration/2")]
            finding = check_revisions(federation.region_settings(region), federation.clock.now())
            assert finding.state == "bad"
            assert f"{other} holds another configuration of revision 2" in finding.found


@pytest.mark.slow
@pytest.mark.timeout(_TIMEOUT_S)
async def test_a_region_finds_by_itself_that_its_coordinator_keeps_a_revision_back(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with running(tmp_path / "federation", databases, REGIONS, administrators=people) as federation:
        first = first_of(federation)
        await federation.stop_node("sichuan")
        second = people.signed(place_of(first.revision), renamed("renamed"), federation.clock.now())
        await applied(federation, second)
        await until_kept(federation, "guangdong", second.content)
        assert federation.coordinator is not None
        port = federation.coordinator.port
        await federation.coordinator.stop()
        federation.coordinator = None
        async with shown_by_another(federation, first, at=str(port)):
            await federation.start_node("sichuan")
            await federation.until_members(dict.fromkeys(REGIONS, MemberState.MEMBER_STATE_JOINED))
            dispute = await until_disputed(federation, "sichuan", "guangdong")
            assert (dispute.revision, dispute.known_digest) == (2, b"")
            assert audited(federation, "sichuan") == [("region/guangdong", "REVISION_WITHHELD", "configuration/2")]
            finding = check_revisions(federation.region_settings("sichuan"), federation.clock.now())
            assert (finding.state, "and this node waits for it since" in finding.found) == ("warning", True)
            assert audited(federation, "guangdong") == [], "an older revision is no dispute"
