"""`region-node audit verify`: against a real database, and coordinators that heard the node's heartbeats."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import AuditHead, JoinRequest
from gateway.auditing import audit
from gateway.security.signing import AUDIT_HEAD, Signer
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from tests import preloaded
from tests.contract.small_federation import (
    CLOCK,
    FEDERATION,
    NOTHING_LISTENS,
    Certificates,
    Coordinator,
    coordinator,
)
from tests.preloaded import Ended

REGION = "sichuan"
ROWS = 5
PATIENCE_S = 60.0


class Region:
    """The files of a region, whose database holds a chain of five rows."""

    def __init__(self, directory: Path) -> None:
        self.certificates = Certificates(directory / "certificates")
        credentials = self.certificates.credentials(f"region/{REGION}")
        self._members = credentials.certificate.parent
        self._data = directory / "data"
        self._data.mkdir()
        self._settings = directory / "node.toml"

    @property
    def database(self) -> Path:
        return self._data / "region-node.sqlite"

    def open(self) -> SqliteStore:
        return SqliteStore(self.database, migrations_of("gateway"))

    def write_settings(self, *coordinators: str) -> None:
        listed = ", ".join(f'"{each}"' for each in coordinators)
        self._settings.write_text(
            f"""
            federation = "{FEDERATION}"
            region = "{REGION}"
            listen = "127.0.0.1:0"
            data = "{self._data}"
            coordinators = [{listed}]
            keys = "{self._members}/region.keys"
            allow_unscoped_operators = true
            [credentials]
            authority = "{self._members}/authority.crt"
            certificate = "{self._members}/tls.crt"
            key = "{self._members}/tls.key"
            [signing]
            certificate = "{self._members}/signing.crt"
            key = "{self._members}/signing.key"
            """
        )

    def signed(self, head: audit.Head) -> AuditHead:
        signer = Signer.load(self._members / "signing.key")
        signature = signer.sign(AUDIT_HEAD, head.signed_bytes())
        return AuditHead(sequence=head.sequence, hash=head.hash, signature=signature)

    async def verify(self, *arguments: str) -> Ended:
        command = ("region_node.cli.main", "audit", "verify", "--settings", str(self._settings), *arguments)
        return await asyncio.to_thread(preloaded.run, *command, environment={})


@pytest.fixture(name="region")
def region_with_its_files(tmp_path: Path) -> Region:
    return Region(tmp_path)


async def filled(store: SqliteStore) -> audit.Head:
    """The end of the chain after five rows."""
    for number in range(ROWS):
        subject = f"order-{number}"
        await store.write(
            lambda tx, subject=subject: audit.append(  # type: ignore[misc]
                tx, now=CLOCK.now(), actor="region/sichuan", action="submit", subject=subject
            )
        )
    return await store.read(audit.head)


def hand_in(hub: Coordinator, head: AuditHead) -> None:
    hub.joins.append(JoinRequest(audit_head=head))


def tamper(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_a_whole_chain_is_confirmed_beside_the_running_node(region: Region) -> None:
    async def story() -> None:
        store = region.open()
        head = await filled(store)
        async with coordinator(region.certificates) as hub:
            hand_in(hub, region.signed(head))
            region.write_settings(NOTHING_LISTENS, hub.endpoint)
            call = await region.verify()
        await store.close()
        assert (call.code, call.err) == (0, "")
        assert f"Rows: {ROWS}, head: {head.hash.hex()}" in call.out
        assert f"row {ROWS} as a coordinator keeps it" in call.out

    asyncio.run(story())


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "DELETE FROM audit WHERE sequence > 3",
            "the tail was cut: row 4 and all after it are gone, which were seen by coordinator",
        ),
        ("DELETE FROM audit", "the tail was cut: row 1 and all after it are gone, which were seen by coordinator"),
        ("DELETE FROM audit WHERE sequence = 2", "row 2 is missing"),
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 4", "row 4 of 20"),
    ],
)
def test_a_broken_chain_ends_with_1_and_says_where(region: Region, statement: str, told: str) -> None:
    async def story() -> None:
        store = region.open()
        head = await filled(store)
        await store.close()
        tamper(region.database, statement)
        async with coordinator(region.certificates) as hub:
            hand_in(hub, region.signed(head))
            region.write_settings(hub.endpoint)
            call = await region.verify()
        assert (call.code, call.out) == (1, "")
        assert told in call.err

    asyncio.run(story())


def test_of_several_coordinators_the_longest_head_counts(region: Region) -> None:
    async def story() -> None:
        store = region.open()
        head = await filled(store)
        await store.close()
        tamper(region.database, "DELETE FROM audit WHERE sequence > 3")
        async with coordinator(region.certificates) as behind, coordinator(region.certificates, replica=1) as hub:
            hand_in(hub, region.signed(head))
            region.write_settings(behind.endpoint, hub.endpoint)
            call = await region.verify()
        assert call.code == 1
        assert "the tail was cut" in call.err

    asyncio.run(story())


def test_without_any_coordinator_the_end_is_not_confirmed_unless_offline_is_said(region: Region) -> None:
    async def story() -> None:
        store = region.open()
        await filled(store)
        await store.close()
        region.write_settings(NOTHING_LISTENS)
        asked = await region.verify()
        assert (asked.code, asked.out) == (3, "")
        assert f"Coordinator {NOTHING_LISTENS} gave no audit head" in asked.err
        assert "--offline" in asked.err
        offline = await region.verify("--offline")
        assert (offline.code, offline.err) == (0, "")
        assert "a cut tail or a chain written anew would not have been found" in offline.out

    asyncio.run(story())


def test_a_chain_that_was_never_handed_in_is_said_to_be_so(region: Region) -> None:
    async def story() -> None:
        store = region.open()
        await filled(store)
        await store.close()
        async with coordinator(region.certificates) as hub:
            region.write_settings(hub.endpoint)
            call = await region.verify()
        assert call.code == 0
        assert "know of no row of this region yet" in call.out

    asyncio.run(story())


def _forged(head: AuditHead) -> None:
    head.sequence += 1


def _unsigned(head: AuditHead) -> None:
    head.signature = b""


@pytest.mark.parametrize("forge", [_forged, _unsigned])
def test_a_head_that_the_region_did_not_sign_proves_nothing(forge: Callable[[AuditHead], None], region: Region) -> None:
    async def story() -> None:
        store = region.open()
        head = region.signed(await filled(store))
        await store.close()
        forge(head)
        async with coordinator(region.certificates) as hub:
            hand_in(hub, head)
            region.write_settings(hub.endpoint)
            call = await region.verify()
        assert (call.code, call.out) == (3, "")
        assert "did not sign" in call.err

    asyncio.run(story())


def test_settings_or_a_database_that_are_not_there_end_with_2(region: Region) -> None:
    async def story() -> None:
        region.write_settings(NOTHING_LISTENS)
        nothing = await region.verify("--offline")
        assert nothing.code == 2
        assert str(region.database) in nothing.err
        wrong = await region.verify("--offline", "--settings", "nowhere.toml")
        assert wrong.code == 2
        assert "nowhere.toml: cannot be read" in wrong.err

    asyncio.run(story())
