"""Members of a PostgreSQL that fails over, by the files of the containers' image, as processes of this machine."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.etcd import LocalEtcd
from deploy.local.patroni import LocalPatroni
from deploy.local.process import wait_until

REGION = "guangdong"
PATIENCE = 120.0


@pytest.fixture
def members(tmp_path: Path, patroni_etcd: LocalEtcd) -> Iterator[LocalPatroni]:
    """Three members, of which one leads and another one confirms each commit."""
    cluster = LocalPatroni(tmp_path / "cluster", patroni_etcd, region=REGION)
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def by_region(members: LocalPatroni) -> psycopg.Connection:
    """A connection of the region to the member that takes writes, by the names of all. Raises psycopg.Error."""
    conninfo = make_conninfo(members.conninfo(REGION, REGION), target_session_attrs="read-write")
    return psycopg.connect(conninfo, autocommit=True)


def takes_writes(members: LocalPatroni) -> bool:
    """Whether a member takes writes of the region: one that has the lease may still be at its promotion."""
    try:
        by_region(members).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.long("a lease of Patroni has to end")
def test_the_region_has_its_database_from_the_first_primary_on_and_keeps_it_when_that_hangs_and_is_killed(
    members: LocalPatroni,
) -> None:
    with by_region(members) as connection:
        own = connection.execute(
            "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert own == (True, False), "its backups take the log, and nothing more"
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    former = members.primary()
    assert former is not None
    assert all(members.affirms(index, "liveness") and members.affirms(index, "readiness") for index in members.members)
    members.freeze_member(former)
    assert not members.affirms(former, "liveness"), "so that the container is killed, with its server"
    members.kill_member(former)
    wait_until(lambda: takes_writes(members), PATIENCE, "a standby leads")
    with by_region(members) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]
    members.launch_member(former)
    wait_until(members.is_whole, PATIENCE, "the former primary follows")
