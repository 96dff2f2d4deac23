"""`doctor` and the stores: databases and etcd that are really down, old, altered or unsafe."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from psycopg.conninfo import make_conninfo

from deploy.local.certificates import StoreAuthority
from deploy.local.etcd import LocalEtcd
from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR
from gateway.auditing import audit, incarnations
from gateway.maintenance.doctor import peers
from gateway.maintenance.doctor.database import check_database
from gateway.security.tls import Credentials
from gateway.store import losses
from gateway.store.losses import Loss
from gateway.store.opening import DatabasePlace
from gateway.store.port import Operation, Transaction
from tests.contract.programs import COORDINATOR, PATIENCE_S, REGION_NODE, Installation
from tests.contract.registries import EtcdRegistries, heartbeat
from tests.contract.small_federation import CLOCK, CONFIGURATION
from tests.contract.stores import run

ROWS = 5
STORE_CHECKS = ("database", "durability", "standbys", "clock against PostgreSQL", "schema", "audit chain")


def checks(told: Result) -> Mapping[str, tuple[str, str, str]]:
    """State, finding and advice by the name of the check."""
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return {each["name"]: (each["state"], each["found"], each["todo"]) for each in json.loads(told.stdout)["checks"]}


@pytest.fixture(params=["postgresql", "sqlite"], name="installed")
def one_installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """A coordinator whose database has a chain of five rows."""
    conninfo = ""
    if request.param == "postgresql":
        server: LocalPostgresql = request.getfixturevalue("postgresql_server")
        conninfo = server.conninfo(request.getfixturevalue("postgresql_database"))
    installed = Installation.make(COORDINATOR, tmp_path, conninfo)
    assert installed.run("migrate").exit_code == 0
    run(write_chain(installed))
    return installed


async def write_chain(installed: Installation) -> None:
    def rows(tx: Transaction) -> None:
        for number in range(ROWS):
            audit.append(tx, now=CLOCK.now(), actor="admin/root", action="Apply", subject=str(number))

    await write(installed, rows)


async def write(installed: Installation, operation: Operation[object]) -> None:
    store = await installed.place.open(installed.migrations)
    try:
        await store.write(operation)
    finally:
        await store.close()


def change(installed: Installation, statement: str) -> None:
    """Changes the database behind the program's back."""
    if installed.conninfo:
        with psycopg.connect(installed.conninfo) as connection:
            connection.execute(statement.encode())
        return
    with closing(sqlite3.connect(installed.file)) as file, file:
        file.execute(statement)


def test_a_database_that_is_well_is_good(installed: Installation) -> None:
    told = installed.run("doctor", "--json")
    found = checks(told)
    assert told.exit_code == 0, told.output
    names = STORE_CHECKS if installed.conninfo else ("database", "schema", "audit chain")
    assert {name: found[name][0] for name in names} == dict.fromkeys(names, "good")
    assert found["audit chain"][1] == f"the last {ROWS} of {ROWS} rows follow from each other"
    if installed.conninfo:
        assert "TLS" in found["database"][1]
        assert found["durability"][1] == "fsync = on, full_page_writes = on, synchronous_commit = on"


def test_a_registry_that_was_put_back_is_told_until_its_loss_is_accepted(installed: Installation) -> None:
    assert "completeness" not in checks(installed.run("doctor", "--json"))

    def lose(tx: Transaction) -> Loss:
        return incarnations.begin(
            tx, "coordinator/0", witness="region/henan", seen=ROWS + 3, commits=0, now=CLOCK.now()
        )

    def accept(tx: Transaction) -> Loss:
        return losses.accept(tx, losses.require_acceptable(tx, 1, "INC-1"), "admin/root", "INC-1", CLOCK.now())

    run(write(installed, lose))
    told = installed.run("doctor", "--json")
    assert told.exit_code == 1
    state, found, todo = checks(told)["completeness"]
    assert state == "bad"
    assert f"after row {ROWS} are missing, and region/henan has seen row {ROWS + 3}" in found
    assert "`coordinator regions accept-loss 1 REFERENCE`" in todo
    run(write(installed, accept))
    assert "completeness" not in checks(installed.run("doctor", "--json"))


def test_the_doctor_works_beside_the_running_process(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ANSWER_SECONDS", PATIENCE_S)  # a busy machine is not the subject
    with installed.serving() as process:
        installed.settings["listen"] = f"127.0.0.1:{int(process.program.port_file.read_text('ascii'))}"
        told = installed.run("doctor", "--json")
    assert told.exit_code == 0, told.output
    assert "held by coordinator.crossregion.example" in checks(told)["port"][1]


def test_an_outdated_schema_is_told_with_the_command_that_helps(installed: Installation) -> None:
    change(installed, "DELETE FROM schema_migrations WHERE package = 'coordinator'")
    told = installed.run("doctor", "--json")
    assert told.exit_code == 1
    state, found, todo = checks(told)["schema"]
    assert state == "bad"
    assert "older than this version" in found
    assert "coordinator/0001_coordinator.sql" in found
    assert todo == "run `coordinator migrate`"


def test_a_schema_of_a_newer_version_is_told(installed: Installation) -> None:
    change(installed, "INSERT INTO schema_migrations VALUES ('gateway', '0999_later.sql', 'checksum')")
    state, found, todo = checks(installed.run("doctor", "--json"))["schema"]
    assert state == "bad"
    assert "newer version" in found
    assert "use the version" in todo


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 3", "row 3 was altered"),
        ("DELETE FROM audit WHERE sequence = 2", "row 2 is missing"),
        ("DELETE FROM audit WHERE sequence = 1", "row 1 is missing"),
    ],
)
def test_an_audit_chain_that_was_tampered_with_is_told(installed: Installation, statement: str, text: str) -> None:
    change(installed, statement)
    told = installed.run("doctor", "--json")
    assert told.exit_code == 1
    state, found, todo = checks(told)["audit chain"]
    assert state == "bad"
    assert text in found
    assert "coordinator audit verify" in todo


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    installed.file.parent.mkdir(mode=0o700)
    installed.file.write_bytes(b"something else entirely " * 100)
    told = installed.run("doctor", "--json")
    assert told.exit_code == 1
    found = checks(told)
    assert found["database"][0] == "bad"
    assert "not a database" in found["database"][1]
    assert (found["schema"][0], found["audit chain"][0]) == ("not checked", "not checked")


def test_a_stored_scope_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    assert installed.run("migrate").exit_code == 0
    change(installed, "INSERT INTO operator_scopes (operator, body) VALUES ('counter', X'ff')")
    state, found, todo = checks(installed.run("doctor", "--json"))["scopes of operator systems"]
    assert (state, "counter: " in found, "`region-node scopes set`" in todo) == ("bad", True, True)


def test_an_empty_postgresql_database_has_to_be_migrated(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    installed = Installation.make(REGION_NODE, tmp_path, postgresql_server.conninfo(postgresql_database))
    found = checks(installed.run("doctor", "--json"))
    assert found["database"][0] == "good"
    assert found["schema"][0] == "bad"
    assert found["schema"][2] == "run `region-node migrate`"
    assert found["audit chain"][0] == "not checked"


def test_a_postgresql_server_that_is_down_is_told_without_the_password(tmp_path: Path) -> None:
    conninfo = "host=127.0.0.1 port=1 dbname=region user=me password=secret-word"
    installed = Installation.make(REGION_NODE, tmp_path, conninfo)
    told = installed.run("doctor", "--json")
    assert told.exit_code == 1
    found = checks(told)
    assert found["database"][0] == "bad"
    assert "PostgreSQL database region at 127.0.0.1:1" in found["database"][1]
    assert "start PostgreSQL" in found["database"][2]
    assert {found[name][0] for name in STORE_CHECKS[1:]} == {"not checked"}
    for output in (told.output, installed.run("doctor").output):
        assert "secret-word" not in output


@pytest.mark.slow
def test_a_server_that_hangs_and_one_that_was_killed_are_told(
    tmp_path: Path, postgresql_server: LocalPostgresql
) -> None:
    """A server of one's own: others share the one that runs."""
    server = LocalPostgresql(tmp_path / "postgresql")
    try:
        server.prepare()
        server.start()
        server.create_database("region")
        installed = Installation.make(REGION_NODE, tmp_path, server.conninfo("region"))
        assert checks(installed.run("doctor", "--json"))["database"][0] == "good"
        server.freeze()
        hanging = checks(installed.run("doctor", "--json"))["database"]
        server.kill()
        state, found, todo = checks(installed.run("doctor", "--json"))["database"]
    finally:
        server.remove()
    assert hanging[0] == "bad"
    assert "timeout expired" in hanging[1]
    assert state == "bad"
    assert "refused" in found
    assert "start PostgreSQL" in todo


@pytest.mark.parametrize(
    ("old", "new", "text", "todo"),
    [
        ("dbname=", "dbname=no", "does not exist", "make the database"),
        ("sslmode=verify-full", "sslmode=disable", "no encryption", "let the user in"),
        ("user=crossregion", "user=nobody", "authentication failed", "correct user, password or certificate"),
    ],
)
def test_a_server_that_does_not_let_the_process_in_is_told(
    postgresql_server: LocalPostgresql,
    postgresql_database: str,
    tmp_path: Path,
    old: str,
    new: str,
    text: str,
    todo: str,
) -> None:
    conninfo = postgresql_server.conninfo(postgresql_database)
    assert old in conninfo
    installed = Installation.make(REGION_NODE, tmp_path, conninfo.replace(old, new))
    state, found, advice = checks(installed.run("doctor", "--json"))["database"]
    assert state == "bad"
    assert text in found
    assert todo in advice


@pytest.fixture(name="administrator")
def connection_of_the_administrator(postgresql_server: LocalPostgresql) -> Iterator[psycopg.Connection[object]]:
    """May change the server, which is as before afterwards."""
    with psycopg.connect(postgresql_server.conninfo("postgres", ADMINISTRATOR), autocommit=True) as connection:
        yield connection
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")


def test_a_server_that_does_not_flush_is_bad(
    postgresql_server: LocalPostgresql,
    postgresql_database: str,
    tmp_path: Path,
    administrator: psycopg.Connection[object],
) -> None:
    installed = Installation.make(REGION_NODE, tmp_path, postgresql_server.conninfo(postgresql_database))
    administrator.execute("ALTER SYSTEM SET fsync = off")
    administrator.execute("SELECT pg_reload_conf()")
    while True:  # the server takes its settings up by and by
        told = installed.run("doctor", "--json")
        if "fsync = off" in checks(told)["durability"][1]:
            break
    assert checks(told)["durability"][0] == "bad"
    assert "turn fsync" in checks(told)["durability"][2]


def test_commits_that_do_not_wait_for_the_disk_are_warned(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    conninfo = f"{postgresql_server.conninfo(postgresql_database)} options='-c synchronous_commit=off'"
    installed = Installation.make(COORDINATOR, tmp_path, conninfo)
    state, found, _ = checks(installed.run("doctor", "--json"))["durability"]
    assert state == "warning"
    assert "synchronous_commit = off" in found


def test_a_server_to_which_no_standby_confirms_commits_is_bad(
    postgresql_server: LocalPostgresql,
    postgresql_database: str,
    tmp_path: Path,
    administrator: psycopg.Connection[object],
) -> None:
    installed = Installation.make(REGION_NODE, tmp_path, postgresql_server.conninfo(postgresql_database))
    administrator.execute("SET synchronous_commit = local")
    administrator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    administrator.execute("SELECT pg_reload_conf()")
    while True:  # the server takes its settings up by and by
        state, found, todo = checks(installed.run("doctor", "--json"))["standbys"]
        if "nobody" in found:
            break
    assert state == "bad"
    assert found == "0 attached, synchronous_standby_names = 'nobody'"
    assert "STORE_UNCONFIRMED" in todo


def test_a_fail_over_that_would_lose_commits_is_warned(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    conninfo = postgresql_server.conninfo(postgresql_database)
    several = make_conninfo(
        conninfo,
        host="localhost,localhost",
        hostaddr="127.0.0.1,127.0.0.1",
        port=f"1,{postgresql_server.port}",
    )
    found = checks(Installation.make(REGION_NODE, tmp_path, several).run("doctor", "--json"))
    assert f"localhost:1, localhost:{postgresql_server.port}" in found["database"][1]
    state, _, todo = found["standbys"]
    assert state == "warning"
    assert "synchronous_mode_strict" in todo


def test_a_server_that_takes_no_writes_is_bad(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    conninfo = make_conninfo(
        postgresql_server.conninfo(postgresql_database),
        target_session_attrs="any",
        options="-c default_transaction_read_only=on",
    )
    state, found, todo = checks(Installation.make(REGION_NODE, tmp_path, conninfo).run("doctor", "--json"))["database"]
    assert state == "bad"
    assert "read-only" in found
    assert "name the server that takes writes" in todo


class Shifted:
    """A clock that is a minute ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=1)


def test_a_clock_that_differs_from_that_of_postgresql_is_told(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    installed = Installation.make(COORDINATOR, tmp_path, postgresql_server.conninfo(postgresql_database))
    findings = check_database(installed.place, installed.migrations, COORDINATOR, Shifted())
    (clock,) = (each for each in findings if each.name == "clock against PostgreSQL")
    assert clock.state == "bad"
    assert "ahead of that of PostgreSQL" in clock.found
    assert "NTP" in clock.todo


def test_a_database_file_that_others_may_read_is_warned(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    assert installed.run("migrate").exit_code == 0
    installed.file.chmod(0o644)
    state, found, todo = checks(installed.run("doctor", "--json"))["data"]
    assert state == "warning"
    assert str(installed.file) in found
    assert todo == f"chmod -R go= {installed.file.parent}"


@pytest.fixture(name="hub")
def coordinator_on_etcd(etcd_cluster: LocalEtcd, tmp_path: Path) -> Iterator[Installation]:
    """A coordinator whose registry is in etcd; all members are well again afterwards."""
    installed = Installation.make(COORDINATOR, tmp_path)
    use(installed, etcd_cluster.endpoints, etcd_cluster.credentials())
    yield installed
    for index in range(len(etcd_cluster.endpoints)):
        etcd_cluster.thaw_member(index)
    etcd_cluster.start()


def use(installed: Installation, endpoints: tuple[str, ...], credentials: Credentials) -> None:
    """Names etcd in the settings."""
    installed.settings["etcd.endpoints"] = ",".join(endpoints)
    installed.settings["etcd.credentials.authority"] = str(credentials.authority)
    installed.settings["etcd.credentials.certificate"] = str(credentials.certificate)
    installed.settings["etcd.credentials.key"] = str(credentials.key)


def test_a_cluster_that_is_well_is_good(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    told = hub.run("doctor", "--json")
    found = checks(told)
    assert told.exit_code == 0, told.output
    assert found["etcd quorum"] == ("good", "3 of 3 members answer and have a leader", "")
    roles = [found[f"etcd {endpoint}"][1].split(", ")[1] for endpoint in etcd_cluster.endpoints]
    assert sorted(roles) == ["follower", "follower", "leader"]
    assert roles[etcd_cluster.leader()] == "leader"
    assert {found[name][0] for name in ("etcd authority", "etcd certificate", "etcd key")} == {"good"}


def test_who_cannot_read_the_configuration_is_known_from_etcd(
    hub: Installation, etcd_cluster: LocalEtcd, tmp_path: Path
) -> None:
    registries = EtcdRegistries.of(etcd_cluster, tmp_path)
    hub.settings["federation"] = registries.federation

    async def joined() -> None:
        async with registries() as registry:
            await registry.apply(CONFIGURATION, expected_revision=0, actor="admin/root")
            await registry.beat("sichuan", heartbeat(reads=(1, 2)))

    assert checks(hub.run("doctor", "--json"))["configuration in force"][0] == "warning", "there is none yet"
    run(joined())
    state, found, todo = checks(hub.run("doctor", "--json"))["configuration in force"]
    assert (state, found.split(" cannot read ")[0]) == ("warning", "revision 1: sichuan")
    assert todo.startswith("upgrade sichuan")
    hub.settings["etcd.credentials.key"] = "/nowhere/etcd.key"
    assert checks(hub.run("doctor", "--json"))["configuration in force"][0] == "not checked"


def test_one_member_that_was_killed_is_bad_and_the_quorum_a_warning(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    followers = [index for index in range(3) if index != etcd_cluster.leader()]
    etcd_cluster.kill_member(followers[0])
    told = hub.run("doctor", "--json")
    found = checks(told)
    assert told.exit_code == 1
    state, text, todo = found[f"etcd {etcd_cluster.endpoints[followers[0]]}"]
    assert state == "bad"
    assert "nothing listens there" in text
    assert "start the server" in todo
    assert found["etcd quorum"][:2] == ("warning", "2 of 3 members answer and have a leader")


@pytest.mark.slow
def test_a_member_that_hangs_is_told_and_does_not_hold_it_up(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    followers = [index for index in range(3) if index != etcd_cluster.leader()]
    etcd_cluster.freeze_member(followers[0])
    state, text, todo = checks(hub.run("doctor", "--json"))[f"etcd {etcd_cluster.endpoints[followers[0]]}"]
    assert state == "bad"
    assert "says nothing" in text
    assert "see whether the process hangs" in todo


@pytest.mark.slow
def test_without_a_majority_the_quorum_is_bad(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    leader = etcd_cluster.leader()
    for index in range(3):
        if index != leader:
            etcd_cluster.kill_member(index)
    found = checks(hub.run("doctor", "--json"))
    assert found["etcd quorum"][0] == "bad"
    assert "2 are needed" in found["etcd quorum"][2]


def test_without_any_member_it_says_what_coordinators_do_meanwhile(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    etcd_cluster.kill()
    told = hub.run("doctor", "--json")
    assert told.exit_code == 1
    assert checks(told)["etcd quorum"][:2] == ("bad", "no member answers")
    assert "last good copy" in checks(told)["etcd quorum"][2]


@pytest.mark.slow
def test_settings_that_name_one_member_of_three_are_warned(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    hub.settings["etcd.endpoints"] = etcd_cluster.endpoints[0]
    told = hub.run("doctor", "--json")
    assert told.exit_code == 0, told.output
    assert checks(told)["etcd quorum"][0] == "warning"
    assert "name all members" in checks(told)["etcd quorum"][2]
    assert hub.run("doctor", "--json", "--strict").exit_code == 1


def test_an_authority_that_etcd_does_not_know_is_a_matter_of_certificates(
    hub: Installation, etcd_cluster: LocalEtcd, tmp_path: Path
) -> None:
    other = StoreAuthority("another etcd")
    use(hub, etcd_cluster.endpoints, other.write(other.issue_client("coordinator"), tmp_path / "other"))
    found = checks(hub.run("doctor", "--json"))
    for endpoint in etcd_cluster.endpoints:
        state, _, todo = found[f"etcd {endpoint}"]
        assert state == "bad"
        assert "the certificates of this federation" in todo
    assert found["etcd quorum"][0] == "bad"


def test_without_a_certificate_for_etcd_its_members_are_not_checked(hub: Installation, etcd_cluster: LocalEtcd) -> None:
    hub.settings["etcd.credentials.key"] = "/nowhere/etcd.key"
    found = checks(hub.run("doctor", "--json"))
    assert found["etcd key"][0] == "bad"
    assert {found[f"etcd {endpoint}"][0] for endpoint in etcd_cluster.endpoints} == {"not checked"}
    assert found["etcd quorum"][0] == "not checked"


def test_a_database_place_without_a_file_has_nothing_to_be_checked(tmp_path: Path) -> None:
    findings = check_database(DatabasePlace(tmp_path / "none"), [], REGION_NODE, CLOCK)
    assert [(each.name, each.state) for each in findings] == [("database", "good")]
