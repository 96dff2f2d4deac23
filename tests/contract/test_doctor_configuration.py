"""`doctor` of a node and of a coordinator, where a version cannot read the configuration in force."""

import asyncio
import sqlite3
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
from gateway.api.federation.v1.revision_pb2 import Anchor, RevisionStatement
from gateway.federation.anchors import load_anchor
from gateway.federation.capabilities import own_capabilities
from gateway.federation.policies import GIVEN_AWAY, OPEN_WORK, UNREVIEWED
from gateway.federation.revisions import Chain, parsed
from gateway.maintenance.doctor.signatures import check_signatures
from gateway.settings import load as load_settings
from gateway.store.opening import DatabasePlace
from gateway.store.schema import migrations_of
from gateway.time.clock import dated
from region_node.cli.node.configuration_checks import check_configuration
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings
from tests.administrators import Administrators
from tests.contract.doctors import DAY, REGION, Doctor, Shifted, checks, coordinator_with
from tests.later_version import LATER_VALUE
from tests.shipped import shipped_configuration

SIGNATURES = "signatures"
LIMITS = "limits of the federation"
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


def test_a_registry_whose_configuration_does_not_verify_is_told(doctor: Doctor, tmp_path: Path) -> None:
    keep(doctor, tmp_path / "data", shipped_configuration())
    with sqlite3.connect(tmp_path / "data" / "coordinator.db") as database:
        database.execute("UPDATE configurations SET content = ?", (of_a_later_version().SerializeToString(),))
    state, found, todo = checks(doctor.coordinator("--json", data=str(tmp_path / "data")))["configuration in force"]
    assert (state, found) == (
        "bad",
        "what the registry holds does not verify: the configuration is not the signed one of revision 1",
    )
    assert "apply the last signed revision once more" in todo
    chinese = doctor.coordinator("--lang", "zh", data=str(tmp_path / "data")).stdout
    assert "配置不是修订1中经签名的配置" in "".join(chinese.split())


@pytest.mark.parametrize("process", ["region", "coordinator"])
def test_whoever_takes_what_nobody_signed_is_warned(doctor: Doctor, process: str, tmp_path: Path) -> None:
    """And an anchor that cannot be used, which `serve` would refuse, is told before."""
    settings = doctor.federation.settings_file(REGION if process == "region" else "coordinator")
    anchored = settings.read_text()
    look = doctor.region if process == "region" else doctor.coordinator
    line = f'federation_anchor = "{doctor.federation.administrator.anchor}"'
    assert line in anchored
    try:
        settings.write_text(anchored.replace(line, "allow_unsigned_configuration = true"))
        state, found, todo = checks(look("--json"))[SIGNATURES]
        chinese = look("--lang", "zh").stdout
        settings.write_text(anchored.replace(line, ""))
        missing = checks(look("--json"))[SIGNATURES]
    finally:
        settings.write_text(anchored)
    assert (state, "whoever has a coordinator" in found, "anchor-in-force" in todo) == ("warning", True, True)
    assert "配置的签名" in "".join(chinese.split())
    assert (missing[0], "federation_anchor: is missing" in missing[1]) == ("bad", True)
    (other := tmp_path / "other.anchor").write_text("{}")
    told = checks(look("--json", federation_anchor=str(other)))[SIGNATURES]
    assert (told[0], "is the anchor of the federation" in told[1]) == ("bad", True)


@pytest.mark.parametrize(
    ("left", "state", "told"),
    [
        (DAY * 365, "good", "revision 1 is valid until "),
        (DAY * 15, "good", "revision 1 is valid until "),
        (DAY * 13, "warning", "revision 1 is valid until "),
        (-DAY, "warning", "the validity of revision 1 ended at "),
    ],
)
def test_the_end_of_a_revision_is_told_two_weeks_before(doctor: Doctor, left: timedelta, state: str, told: str) -> None:
    administrator = doctor.federation.administrator
    anchor = load_anchor(administrator.anchor, FEDERATION)
    signed = administrator.signed(anchor, shipped_configuration())
    ends = dated(parsed(RevisionStatement, signed.revision.statement).end_time)
    found = check_signatures(lambda: anchor, [signed.revision], ends - left)[0]
    assert (found.state, found.found.startswith(told)) == (state, True)
    assert ("sign and apply the next revision" in found.todo) == (state == "warning")


def test_a_threshold_of_one_administrator_is_warned_of_by_both_doctors(doctor: Doctor, tmp_path: Path) -> None:
    anchored = doctor.region("--json", "--strict")
    data = tmp_path / "coordinator"
    keep(doctor, data, shipped_configuration())
    for told in (anchored, doctor.coordinator("--json", "--strict", data=str(data))):
        state, found, todo = checks(told)["administrators"]
        assert (state, found) == ("warning", "1 of 1 sign a revision")
        assert "a threshold of 2" in todo
        assert told.exit_code == 1, "a strict look fails for a warning"
    assert "1名管理员中的1名" in "".join(doctor.region("--lang", "zh").stdout.split())


def test_two_of_three_administrators_are_enough_to_be_well(tmp_path: Path) -> None:
    people = Administrators(tmp_path, FEDERATION, ("li", "wang", "zhao"), threshold=2)
    found = check_signatures(lambda: people.anchor, [], datetime.now(UTC))
    assert [(each.name, each.state, each.found) for each in found[1:]] == [
        ("administrators", "good", "2 of 3 sign a revision")
    ]


def test_a_copy_that_does_not_verify_is_told(doctor: Doctor, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    signed = doctor.federation.administrator.signed(Anchor(federation="other.example"), shipped_configuration())
    LastGood(tmp_path).save(WatchResponse(federation_revision=1, revisions=[signed.revision]))
    state, found, todo = checks(doctor.region("--json", data=str(tmp_path)))[SIGNATURES]
    assert (state, "is of the federation 'other.example'" in found) == ("bad", True)
    assert "restart the process" in todo
    (tmp_path / "federation.bin").write_bytes(b"broken")
    assert checks(doctor.region("--json", data=str(tmp_path)))[SIGNATURES][0] == "not checked"
    none = checks(doctor.coordinator("--json", data=str(tmp_path / "none")))[SIGNATURES]
    assert none[0] == "not checked", "before its first start"


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        ((OPEN_WORK, GIVEN_AWAY), "policies.yaml, and apply the configuration"),
        (UNREVIEWED, "name unreviewed-… in the businesses that deploy/federation/catalogue.yaml names them in"),
    ],
)
def test_both_doctors_name_the_limits_that_the_configuration_lacks(
    doctor: Doctor, names: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    lacking = shipped_configuration()
    for business in lacking.businesses:
        business.policies[:] = [name for name in business.policies if name not in names]
    kept = [each for each in lacking.policies if each.name not in names]
    del lacking.policies[:]
    lacking.policies.extend(kept)
    data, fresh = tmp_path / "coordinator", str(tmp_path / "fresh")
    keep(doctor, data, lacking)
    tmp_path.chmod(0o700)
    LastGood(tmp_path).save(WatchResponse(federation_revision=1, configuration=lacking))
    for look, place in ((doctor.region, tmp_path), (doctor.coordinator, data)):
        state, found, todo = checks(look("--json", data=str(place)))[LIMITS]
        assert (state, found) == ("warning", f"off, without their policies: {', '.join(names)}")
        assert "take each missing policy over from deploy/federation/policies.yaml" in todo
        assert remedy in todo
        assert checks(look("--json", data=fresh))[LIMITS] == ("not checked", "no configuration can be read", "")
    assert checks(doctor.region("--json"))[LIMITS][0] == "good"
    assert "限额未生效" in "".join(doctor.coordinator("--lang", "zh", data=str(data)).stdout.split())
