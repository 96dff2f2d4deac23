"""`doctor` of a node and of a coordinator, where a version cannot read the configuration in force."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from coordinator.registry import operations
from coordinator.registry.operations import Wanted
from coordinator.registry.rules import RegionFacts
from coordinator.schema import PACKAGES
from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import Configuration, DataClass
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.federation.anchors import load_anchor
from gateway.federation.capabilities import own_capabilities
from gateway.federation.revisions import Chain
from gateway.settings import load as load_settings
from gateway.store.opening import DatabasePlace
from gateway.store.schema import migrations_of
from region_node.cli.node.configuration_checks import check_configuration
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings
from tests.contract.doctors import REGION, Doctor, Shifted, checks, coordinator_with
from tests.later_version import LATER_VALUE
from tests.shipped import shipped_configuration

NO_LAG = Shifted(timedelta(0))


@pytest.fixture(scope="module", name="doctor")
def a_federation_whose_node_keeps_a_revision(tmp_path_factory: pytest.TempPathFactory) -> Doctor:
    federation = LocalFederation(tmp_path_factory.mktemp("doctor"), [REGION])
    federation.prepare()
    settings = load_settings(RegionSettings, federation.settings_file(REGION))
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    LastGood(settings.data).save(WatchResponse(federation_revision=1, configuration=shipped_configuration()))
    return Doctor(federation)


def keep(doctor: Doctor, data: Path, *configurations: Configuration, joined: RegionFacts | None = None) -> None:
    """Makes the database of a coordinator that has put these configurations in force, whatever it can read of them."""
    place, now = DatabasePlace(data / "coordinator.db"), datetime.now(UTC)
    administrator = doctor.federation.administrator
    anchor = load_anchor(administrator.anchor, FEDERATION)
    data.mkdir(mode=0o700, parents=True)

    async def write() -> None:
        store, chain = await place.open(migrations_of(*PACKAGES)), Chain.of(anchor)
        try:
            for revision, each in enumerate(configurations):
                signed = administrator.signed(chain.place, each)
                chain = chain.followed((signed.revision,))
                wanted = Wanted(each, signed.content, revision, revision, 1, chain)
                put = partial(operations.apply, wanted=wanted, actor="admin/root", now=now)
                await store.write(partial(put, expected_revision=revision))
            if joined is not None:
                await store.write(lambda tx: operations.keep_joined(tx, joined, now))
        finally:
            await store.close()

    asyncio.run(write())


def of_a_later_version() -> Configuration:
    """The shipped configuration with a class of data that this version does not have."""
    configuration = shipped_configuration()
    configuration.retention_rules[0].data_class = DataClass.ValueType(LATER_VALUE)
    return configuration


def test_a_node_that_cannot_read_the_configuration_is_told_by_what_it_works_meanwhile(
    doctor: Doctor, tmp_path: Path
) -> None:
    keep(doctor, tmp_path / "data", shipped_configuration(), of_a_later_version())
    with coordinator_with(doctor, NO_LAG, tmp_path / "data", configured=False) as endpoint:
        name, told = f"configuration at {endpoint}", doctor.region("--json", coordinators=endpoint)
        strict = doctor.region("--json", "--strict", coordinators=endpoint)
        state, found, todo = checks(told)[name]
        fresh = checks(doctor.region("--json", coordinators=endpoint, data=str(tmp_path / "fresh")))[name]
        chinese = doctor.region("--lang", "zh", coordinators=endpoint).stdout
    assert (told.exit_code, strict.exit_code) == (0, 1), told.stdout
    assert (state, found) == (
        "warning",
        f"revision 2 has retention_rules[0].data_class = {LATER_VALUE}, which this version cannot read",
    )
    assert todo == "upgrade this node: it works by revision 1 until then, and takes the one in force by itself"
    assert fresh[:2] == ("bad", found)
    assert "it keeps no revision that it can read" in fresh[2]
    assert "请升级本节点" in "".join(chinese.split())


def test_a_node_that_keeps_an_older_revision_than_it_can_read_is_told(doctor: Doctor, tmp_path: Path) -> None:
    keep(doctor, tmp_path / "data", *[shipped_configuration()] * 2)
    with coordinator_with(doctor, NO_LAG, tmp_path / "data", configured=False) as endpoint:
        found = checks(doctor.region("--json", coordinators=endpoint))
    assert found[f"configuration at {endpoint}"] == ("good", "this version can read revision 2", "")
    in_force = WatchResponse(federation_revision=2, configuration=shipped_configuration())
    running = check_configuration(endpoint, in_force, 1, serves=True)
    assert (running.state, running.found) == ("warning", "the node keeps revision 1; 2 is in force")
    assert "restart the node" in running.todo


def test_a_coordinator_names_the_members_that_cannot_read_the_configuration(doctor: Doctor, tmp_path: Path) -> None:
    older = own_capabilities()
    (told,) = (each for each in older.capabilities if each.name == DataClass.DESCRIPTOR.full_name)
    told.numbers[:] = []
    sichuan = RegionFacts(REGION, ever_joined=True, capabilities=older)
    keep(doctor, tmp_path / "data", shipped_configuration(), joined=sichuan)
    state, found, todo = checks(doctor.coordinator("--json", data=str(tmp_path / "data")))["configuration in force"]
    assert state == "warning"
    assert found.startswith("revision 1: sichuan cannot read retention_rules[0].data_class = ")
    assert todo == "upgrade sichuan: until then each works by the last revision that it could read"
    chinese = doctor.coordinator("--lang", "zh", data=str(tmp_path / "data")).stdout
    assert "请升级sichuan" in "".join(chinese.split())


def test_a_coordinator_that_cannot_read_the_configuration_itself_is_told(doctor: Doctor, tmp_path: Path) -> None:
    keep(doctor, tmp_path / "data", of_a_later_version())
    state, found, todo = checks(doctor.coordinator("--json", data=str(tmp_path / "data")))["configuration in force"]
    assert (state, found.split(", ")[1]) == ("warning", "which this version cannot read")
    assert todo.startswith("upgrade this coordinator")
    none = checks(doctor.coordinator("--json", data=str(tmp_path / "none")))["configuration in force"]
    assert none == ("not checked", "the registry cannot be read, or there is none yet", "")
