"""A coordinator that was replaced: it owns every key of a coordinator, and none of an administrator."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import DeliverResult
from gateway.security.identity import parse
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.forger import SUBMIT, Forger, bring, not_delivered
from tests.federation.honest_callers import beside_an_honest_caller
from tests.federation.own_processes import in_own_processes, log_of
from tests.federation.running import NOT_JOINED, REGIONS, Federation, until
from tests.federation.stolen_keys import DONE, delivered
from tests.federation.test_envelopes import fresh_submission
from tests.federation.test_split_views import first_of
from tests.hostile.served import KEPT, require_served
from tests.shipped import shipped_configuration

POISON = 10**12
ASKING = ("guangdong", "sichuan")
"""The regions that a lying coordinator does not pretend to have suspended."""
COMPLETED = OrderState.ORDER_STATE_COMPLETED
_KEPT = "INSERT INTO configurations (revision, content, actor, applied, signed) VALUES (?, ?, 'admin/root', 0, ?)"
_SUSPENDED = "INSERT INTO suspensions (region, since, note, actor) VALUES (?, 0, 'forged', 'admin/root')"
_JOINED = "INSERT INTO joined_regions (region, first_joined, signing_certificate) VALUES (?, 0, ?)"

Poison = Callable[[sqlite3.Connection], object]


def given_to_henan(configuration: Configuration) -> Configuration:
    """The configuration with all numbers of Sichuan given to Henan."""
    for owned in configuration.number_plan.prefixes:
        owned.region = "henan" if owned.region == "sichuan" else owned.region
    return configuration


def with_another_configuration(database: sqlite3.Connection) -> None:
    """A revision that nobody signed, higher than any other."""
    content = given_to_henan(shipped_configuration()).SerializeToString()
    database.execute(_KEPT, (POISON, content, b""))


def with_other_members(signed: SignedConfiguration, stranger: bytes) -> Poison:
    """The revision in force, with a suspension that nobody signed, and a stranger in the place of a region."""
    rows = (
        (_KEPT, (1, signed.content, signed.revision.SerializeToString())),
        (_SUSPENDED, ("henan",)),
        (_JOINED, (NOT_JOINED, stranger)),
    )
    return lambda database: [database.execute(sql, row) for sql, row in rows]


@asynccontextmanager
async def replaced_by_a_false_one(
    federation: Federation,
    name: str,
    poison: Poison,
    path: str = "coordinator/0",
    joining: Sequence[str] = REGIONS,
) -> AsyncIterator[None]:
    """A coordinator without an anchor in the place of the honest one, with a database of its own that is poisoned.

    Regions have joined it before the block begins; the honest one is back behind it.
    """
    assert federation.coordinator is not None
    port = federation.coordinator.port
    await federation.coordinator.stop()
    settings = CoordinatorSettings(
        FEDERATION,
        f"127.0.0.1:{port}",
        federation.directory / name,
        federation.certificates.credentials(path),
        heartbeat_interval=0.1,
        allow_unsigned_configuration=True,
        number=int(path.rpartition("/")[2]),
    )
    Databases(None).make("coordinator", settings.database.file)
    with closing(sqlite3.connect(settings.database.file)) as database, database:
        poison(database)
    federation.coordinator = await federation.starting.coordinator(settings)

    async def all_have_asked() -> bool:
        members = await federation.members()
        return all(members[region].endpoints for region in joining)

    try:
        await until(all_have_asked, f"{joining} are members at the false coordinator")
        yield
    finally:
        await federation.coordinator.stop()
        await federation.start_coordinator(port)


async def all_are_at(federation: Federation, revision: int) -> bool:
    """Whether each region works by a revision."""
    members = await federation.members()
    return {members[region].federation_revision for region in REGIONS} == {revision}


async def until_refused(federation: Federation, *problems: str) -> None:
    """Returns once the nodes of Guangdong and Sichuan have named all of these."""

    async def holds() -> bool:
        logs = [log_of(federation, region) for region in ASKING]
        return all(problem in log for log in logs for problem in problems)

    await until(holds, f"both nodes refuse {problems}")


async def is_served(federation: Federation, home: str) -> None:
    """An order of Guangdong is done by the home region of its customer."""
    counter, number = Counter(federation, "guangdong"), await Counter(federation, home).new_customer()
    done = await counter.reaches((await counter.order("SUSPEND", number)).id, COMPLETED)
    assert done.home_region == home


def certificate_of_a_stranger(federation: Federation) -> bytes:
    """The signing certificate that an authority of the thief's own gives the region that has not joined."""
    files, now = federation.certificates.signing(f"region/{NOT_JOINED}"), federation.clock.now()
    identity = parse(f"spiffe://{FEDERATION}/region/{NOT_JOINED}", FEDERATION)
    issued = new_authority().issue(identity, now - timedelta(days=1), now + timedelta(days=1))
    issued.write(files.certificate.parent)
    return files.certificate.read_bytes()


async def brought(federation: Federation, origin: str) -> DeliverResult:
    """The answer of Sichuan to an order in the name of a region, which the false coordinator brings."""
    order = fresh_submission(Counter(federation, origin), await Counter(federation, "sichuan").new_customer())
    envelope = Forger(federation, origin).seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
    return await bring(federation, envelope, "sichuan")


@pytest.mark.slow  # a federation of processes, whose coordinator is replaced twice
@pytest.mark.files  # no part of it depends on the engine
async def test_a_false_coordinator_gives_away_no_customers_suspends_nobody_and_admits_no_stranger(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with in_own_processes(tmp_path / "federation", databases, people) as federation:
        honest, stranger = first_of(federation), certificate_of_a_stranger(federation)
        async with beside_an_honest_caller(federation, "sichuan") as served:
            async with replaced_by_a_false_one(federation, "poisoned", with_another_configuration):
                await until_refused(federation, f"revision {POISON} is not the administrators'")
                assert await all_are_at(federation, 1)
                await is_served(federation, "sichuan")
            lie = with_other_members(honest, stranger)
            async with replaced_by_a_false_one(federation, "lying", lie, joining=ASKING):
                await until_refused(
                    federation,
                    "suspends henan without an administrator's statement: not believed",
                    f"the signing certificate of {NOT_JOINED} is not trusted",
                )
                assert not_delivered(await brought(federation, NOT_JOINED)) == "ENVELOPE_SIGNATURE_INVALID"
                assert delivered(await brought(federation, "henan")) == DONE, "it is not suspended"
                await is_served(federation, "sichuan")
            await served.end()
        require_served(served, KEPT)
        await federation.until_members(
            {
                **dict.fromkeys(REGIONS, MemberState.MEMBER_STATE_JOINED),
                NOT_JOINED: MemberState.MEMBER_STATE_ABSENT,
            }
        )
        wanted = shipped_configuration()
        wanted.regions[0].name.en = "renamed"
        assert await federation.apply(wanted) == 2, "honest revisions are taken as before"
        await until(lambda: all_are_at(federation, 2), "every node has the honest revision")
        for home in ("sichuan", "henan"):
            await is_served(federation, home)
