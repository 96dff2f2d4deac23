"""`region-node doctor` and `coordinator doctor`: each thing that they look at is really broken here."""

import os
import shutil
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import coordinator.cli.main
import region_node.cli.main
from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.types.v1.access_pb2 import Role
from gateway.maintenance.doctor.findings import State
from gateway.maintenance.doctor.machine import check_data
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.store.opening import moved_file
from gateway.store.sqlite import WATERMARK_BYTES
from tests.contract.doctors import DAY, REGION, Doctor, Shifted, checks, coordinator_with
from tests.contract.small_federation import NOTHING_LISTENS

OTHER = "henan"
NOBODY = 65534


@pytest.fixture(scope="module", name="doctor")
def a_running_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    federation = LocalFederation(tmp_path_factory.mktemp("doctor"), [REGION])
    federation.prepare()
    federation.scopes_file.write_text('[counter]\nservices = ["OrderService"]\n')
    try:
        federation.start()
        yield Doctor(federation)
    finally:
        federation.kill()


def files_in(directory: Path) -> dict[str, str]:
    """Settings that name the certificates of a directory."""
    return {
        "credentials__authority": str(directory / "authority.crt"),
        "credentials__certificate": str(directory / "tls.crt"),
        "credentials__key": str(directory / "tls.key"),
        "signing__certificate": str(directory / "signing.crt"),
        "signing__key": str(directory / "signing.key"),
    }


def test_beside_a_node_that_is_well_everything_is_good(doctor: Doctor) -> None:
    told = doctor.region("--json")
    found = checks(told)
    assert told.exit_code == 0, told.output
    assert {name for name, (state, _, _) in found.items() if state != "good"} == {"administrators"}, "there is one"
    assert {name for name, (_, _, todo) in found.items() if todo} == {"administrators"}
    endpoint = doctor.coordinator_endpoint
    assert set(found) == {
        "settings",
        "authority",
        "certificate",
        "key",
        "signing certificate",
        "signing key",
        "region keys",
        "data",
        "disk",
        "escalation file",
        "renewal of the certificate",
        "scopes of operator systems",
        "identity provider of staff",
        "signatures",
        "limits of the federation",
        "administrators",
        "configuration of other regions",
        "port",
        "database",
        "schema",
        "audit chain",
        f"coordinator {endpoint}",
        f"clock against {endpoint}",
        f"configuration at {endpoint}",
        f"sealing key at {endpoint}",
    }
    assert "held by sichuan.region.crossregion.example, which says SERVING" in found["port"][1]
    assert "SERVING, configuration revision 1; this region is joined" in found[f"coordinator {endpoint}"][1]
    assert "valid for 29 more days" in found["certificate"][1]
    assert found["signatures"][1].startswith("revision 1 is valid until ")


def test_beside_a_coordinator_that_is_well_nothing_is_bad(doctor: Doctor) -> None:
    told = doctor.coordinator("--json")
    found = checks(told)
    assert told.exit_code == 0, told.output
    assert {name for name, (state, _, _) in found.items() if state != "good"} == {"administrators", "clock"}
    assert found["signatures"][1].startswith("revision 1 is valid until ")
    assert "held by coordinator.crossregion.example" in found["port"][1]
    assert "the process renews its certificate there" in found["renewal of the certificate"][1]


def test_the_table_says_what_was_found_and_sums_up(doctor: Doctor) -> None:
    told = doctor.region(coordinators=NOTHING_LISTENS)
    assert told.exit_code == 1
    (line,) = (line for line in told.stdout.splitlines() if line.startswith(f"coordinator {NOTHING_LISTENS}"))
    assert "bad" in line
    assert "start the server" in line
    assert told.stdout.splitlines()[-1] == "20 good, 1 warning, 1 bad, 3 not checked"


def test_scopes_of_operator_systems_are_read_and_a_missing_file_is_bad(doctor: Doctor) -> None:
    name = "scopes of operator systems"
    state, found, todo = checks(doctor.region("--json"))[name]
    assert (state, found.endswith(": 1 scopes"), todo) == ("good", True, ""), "by the file, or once it is taken over"
    missing = doctor.federation.scopes_file.with_name("missing")
    state, found, todo = checks(doctor.region("--json", operators=str(missing)))[name]
    assert (state, "cannot be read" in found, "correct the file" in todo) == ("bad", True, True)


def test_settings_that_cannot_be_used_end_it_with_2(doctor: Doctor) -> None:
    told = doctor.region(listen="nowhere")
    assert told.exit_code == 2
    assert "listen: 'nowhere' is not host:port" in told.stderr


def expired(doctor: Doctor, files: Path) -> None:
    identity, now = Identity(FEDERATION, Role.ROLE_REGION, REGION, ""), datetime.now(UTC)
    doctor.authority.issue(identity, now - timedelta(minutes=9), now - timedelta(minutes=1)).write(files)


def soon_expired(doctor: Doctor, files: Path) -> None:
    identity, now = Identity(FEDERATION, Role.ROLE_REGION, REGION, ""), datetime.now(UTC)
    doctor.authority.issue(identity, now - timedelta(minutes=9), now + 5 * DAY + timedelta(minutes=1)).write(files)


def not_valid_yet(doctor: Doctor, files: Path) -> None:
    identity, now = Identity(FEDERATION, Role.ROLE_REGION, REGION, ""), datetime.now(UTC)
    doctor.authority.issue(identity, now + DAY, now + 2 * DAY).write(files)


def of_another_region(doctor: Doctor, files: Path) -> None:
    doctor.issue(files, OTHER)


def of_another_authority(doctor: Doctor, files: Path) -> None:
    now = datetime.now(UTC)
    other = Authority.create(FEDERATION, now - DAY, now + 365 * DAY)
    doctor.issue(files, by=other)
    (files / "authority.crt").write_bytes(doctor.authority.certificate_pem)


def of_another_key(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    doctor.issue(files.with_name("others"))
    for name in ("tls.key", "signing.key"):
        shutil.copy(files.with_name("others") / name, files / name)


def missing(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    for path in files.iterdir():
        path.unlink()


def garbled(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    for path in files.iterdir():
        path.write_text("no PEM")


def open_to_the_group(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    for name in ("tls.key", "signing.key"):
        (files / name).chmod(0o640)


def open_to_everybody(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    for name in ("tls.key", "signing.key"):
        (files / name).chmod(0o644)


def of_another_kind(doctor: Doctor, files: Path) -> None:
    doctor.issue(files)
    shutil.copy(files / "tls.key", files / "signing.key")


@pytest.mark.parametrize(
    ("spoil", "name", "state", "text"),
    [
        (expired, "certificate", "bad", "expired at"),
        (expired, "signing certificate", "bad", "expired at"),
        (soon_expired, "certificate", "warning", "valid for 5 more days"),
        (soon_expired, "signing certificate", "warning", "valid for 5 more days"),
        (not_valid_yet, "certificate", "bad", "is not valid before"),
        (of_another_region, "certificate", "bad", f"region/{OTHER} instead of spiffe://{FEDERATION}/region/{REGION}"),
        (of_another_region, "signing certificate", "bad", "not issued to"),
        (of_another_authority, "certificate", "bad", "was not issued by the authority"),
        (of_another_authority, "signing certificate", "bad", "not issued by the authority"),
        (of_another_key, "key", "bad", "is not the key of the certificate"),
        (of_another_key, "signing key", "bad", "is not the key of the certificate"),
        (missing, "authority", "bad", "No such file or directory"),
        pytest.param(missing, "certificate", "bad", "No such file or directory", marks=pytest.mark.slow),
        pytest.param(missing, "key", "bad", "No such file or directory", marks=pytest.mark.slow),
        pytest.param(missing, "signing certificate", "bad", "No such file or directory", marks=pytest.mark.slow),
        (missing, "signing key", "bad", "No such file or directory"),
        (garbled, "authority", "bad", "holds no certificate that can be read"),
        pytest.param(garbled, "key", "bad", "holds no private key that can be read", marks=pytest.mark.slow),
        (open_to_the_group, "key", "warning", "its group may read it (mode 640)"),
        pytest.param(open_to_everybody, "key", "bad", "everybody may read it (mode 644)", marks=pytest.mark.slow),
        (open_to_everybody, "signing key", "bad", "everybody may read it (mode 644)"),
        (of_another_kind, "signing key", "bad", "is no Ed25519 key"),
    ],
)
def test_what_is_wrong_with_a_certificate_or_a_key_is_told(
    doctor: Doctor, tmp_path: Path, spoil: Callable[[Doctor, Path], None], name: str, state: str, text: str
) -> None:
    files = tmp_path / "files"
    spoil(doctor, files)
    told = doctor.region("--json", **files_in(files))
    found = checks(told)
    assert found[name][0] == state
    assert text in found[name][1]
    assert found[name][2], "it says what to do"
    assert told.exit_code == (1 if state == "bad" else 0)
    assert doctor.region("--json", "--strict", **files_in(files)).exit_code == 1
    assert "PRIVATE KEY" not in told.output


def test_a_certificate_that_cannot_be_used_leaves_the_coordinators_unchecked(doctor: Doctor, tmp_path: Path) -> None:
    expired(doctor, tmp_path / "files")
    found = checks(doctor.region("--json", **files_in(tmp_path / "files")))
    assert found[f"coordinator {doctor.coordinator_endpoint}"][0] == "not checked"
    assert found[f"clock against {doctor.coordinator_endpoint}"][0] == "not checked"


def test_a_coordinator_that_is_missing_is_told_beside_one_that_is_there(doctor: Doctor) -> None:
    endpoints = f"{NOTHING_LISTENS},{doctor.coordinator_endpoint}"
    told = doctor.region("--json", coordinators=endpoints)
    found = checks(told)
    assert told.exit_code == 1
    assert found[f"coordinator {NOTHING_LISTENS}"][0] == "bad"
    assert "nothing listens there" in found[f"coordinator {NOTHING_LISTENS}"][1]
    assert found[f"coordinator {doctor.coordinator_endpoint}"][0] == "good"


def test_a_coordinator_of_another_federation_is_a_matter_of_certificates(doctor: Doctor, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    other = Authority.create(FEDERATION, now - DAY, now + 365 * DAY)
    doctor.issue(tmp_path / "files", by=other)
    found = checks(doctor.region("--json", **files_in(tmp_path / "files")))
    assert found["certificate"][0] == "good"
    state, _, todo = found[f"coordinator {doctor.coordinator_endpoint}"]
    assert state == "bad"
    assert "certificates of this federation" in todo


def test_what_serves_but_is_no_coordinator_is_found_out(doctor: Doctor) -> None:
    endpoint = doctor.federation.endpoint(REGION)
    state, _, todo = checks(doctor.region("--json", coordinators=endpoint))[f"coordinator {endpoint}"]
    assert state == "bad"
    assert "correct the names in the settings" in todo


@pytest.mark.slow
def test_somebody_who_listens_and_says_nothing_does_not_hold_it_up(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        found = checks(doctor.region("--json", coordinators=endpoint, listen=endpoint))
    assert found[f"coordinator {endpoint}"][0] == "bad"
    state, told, todo = found["port"]
    assert state == "bad"
    assert "another process listens, which does not prove to be sichuan.region.crossregion.example" in told
    assert "stop that process, or listen on another port" in todo


def test_a_suspended_region_is_warned(doctor: Doctor) -> None:
    administrator = doctor.federation.directory / "certificates" / "admin"
    options = ["--coordinator", doctor.coordinator_endpoint, "--credentials", str(administrator)]
    options += ["--federation", FEDERATION]
    main = coordinator.cli.main.main
    key = str(doctor.federation.administrator.key)
    suspended = CliRunner().invoke(main, ["regions", "suspend", REGION, "--note", "x", "--key", key, *options])
    assert suspended.exit_code == 0, suspended.output
    try:
        told = doctor.region("--json")
    finally:
        assert CliRunner().invoke(main, ["regions", "reinstate", REGION, "--key", key, *options]).exit_code == 0
    state, found, _ = checks(told)[f"coordinator {doctor.coordinator_endpoint}"]
    assert (state, told.exit_code) == ("warning", 0)
    assert "this region is suspended" in found


@pytest.mark.parametrize(
    ("seconds", "state", "text"),
    [
        (60, "bad", "behind that of the coordinator"),
        (-60, "bad", "ahead of that of the coordinator"),
        (5, "warning", ""),
    ],
)
def test_a_clock_that_is_off_is_told(doctor: Doctor, tmp_path: Path, seconds: int, state: str, text: str) -> None:
    with coordinator_with(doctor, Shifted(timedelta(seconds=seconds)), tmp_path / "data") as endpoint:
        told = doctor.region("--json", coordinators=endpoint)
    found = checks(told)
    assert found[f"coordinator {endpoint}"][0] == "good"
    assert found[f"clock against {endpoint}"][0] == state
    assert text in found[f"clock against {endpoint}"][1]
    assert told.exit_code == (1 if state == "bad" else 0)


@pytest.mark.slow
def test_a_federation_without_a_configuration_is_told(doctor: Doctor, tmp_path: Path) -> None:
    with coordinator_with(doctor, Shifted(timedelta(0)), tmp_path / "data", configured=False) as endpoint:
        found = checks(doctor.region("--json", coordinators=endpoint))
    assert found[f"coordinator {endpoint}"][0] == "warning"
    assert "coordinator federation apply" in found[f"coordinator {endpoint}"][2]
    assert found[f"clock against {endpoint}"][0] == "not checked"
    assert found[f"configuration at {endpoint}"][0] == "not checked"
    own = checks(doctor.coordinator("--json", data=str(tmp_path / "data")))["configuration in force"]
    assert (own[0], own[2]) == ("warning", "apply a configuration: `coordinator federation apply`")


def test_a_free_port_is_good_and_an_address_of_another_machine_is_not(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    assert checks(doctor.region("--json", listen=free))["port"] == ("good", f"{free}: free", "")
    state, found, _ = checks(doctor.region("--json", listen="192.0.2.1:7443"))["port"]
    assert state == "bad"
    assert "Cannot assign requested address" in found


def test_the_port_of_another_region_is_not_ones_own(doctor: Doctor, tmp_path: Path) -> None:
    doctor.issue(tmp_path / "files", OTHER)
    listen = doctor.federation.endpoint(REGION)
    state, found, _ = checks(doctor.region("--json", region=OTHER, listen=listen, **files_in(tmp_path / "files")))[
        "port"
    ]
    assert state == "bad"
    assert "does not prove to be henan.region.crossregion.example" in found


def test_a_data_directory_that_is_a_file_is_told(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        told = doctor.region("--json", data=str(data))
        assert told.exit_code == 1
        assert checks(told)["data"][0] == "bad"
        assert "Not a directory" in checks(told)["data"][1]


def test_a_data_directory_that_cannot_be_written_is_told_and_so_is_all_that_cannot_be_read(
    doctor: Doctor, tmp_path: Path
) -> None:
    """Root may write everywhere: the doctor is another user here."""
    data = tmp_path / "data"
    data.mkdir(mode=0o500)
    page = tomllib.loads(doctor.federation.settings_file(REGION).read_text("utf-8"))
    flags = [f"--set={key}={text}" for key, text in flat({**page, "data": str(data)}).items()]
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        told = CliRunner().invoke(region_node.cli.main.main, ["doctor", "--json", *flags])
    finally:
        if root:
            os.seteuid(0)
    found = checks(told)
    assert told.exit_code == 1
    assert found["data"][0] == "bad"
    assert "Permission denied" in found["data"][1]
    assert found["escalation file"][0] == "bad"
    if root:
        assert "Permission denied" in found["key"][1]


def flat(page: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Settings as flags have them."""
    texts: dict[str, str] = {}
    for key, value in page.items():
        if isinstance(value, dict):
            texts |= flat(value, f"{prefix}{key}.")
        else:
            told = str(value).lower() if isinstance(value, bool) else str(value)
            texts[prefix + key] = ",".join(value) if isinstance(value, list) else told
    return texts


def test_a_node_that_cannot_write_a_renewed_certificate_is_warned(doctor: Doctor, tmp_path: Path) -> None:
    renewed = tmp_path / "renewed"
    renewed.write_bytes(b"no directory")
    state, found, todo = checks(doctor.region("--json", data=str(tmp_path)))["renewal of the certificate"]
    assert (state, str(renewed) in found, "nothing can be written" in found, bool(todo)) == (
        "warning",
        True,
        True,
        True,
    )


def test_data_that_others_may_read_are_warned(doctor: Doctor, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    told = doctor.region("--json", data=str(data))
    assert checks(told)["data"][0] == "warning"
    assert f"others may read {data}" in checks(told)["data"][1]


def test_a_file_that_goes_while_the_doctor_looks_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "region-node.sqlite-wal").symlink_to(tmp_path / "gone")  # as one that was listed a moment before
    told = {each.name: each.state for each in check_data(tmp_path)}
    assert told["data"] is State.GOOD


@pytest.mark.parametrize(("free", "state"), [(WATERMARK_BYTES, "bad"), (2 * WATERMARK_BYTES, "warning")])
def test_a_disk_that_is_nearly_full_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        told = doctor.region("--json")
    assert checks(told)["disk"][0] == state
    assert told.exit_code == (1 if state == "bad" else 0)


def test_a_database_that_was_moved_is_told(doctor: Doctor, tmp_path: Path) -> None:
    moved_file(tmp_path / "region-node.sqlite").write_bytes(b"")
    state, found, todo = checks(doctor.region("--json", data=str(tmp_path)))["database"]
    assert state == "bad"
    assert "was moved to PostgreSQL" in found
    assert "[postgresql]" in todo
