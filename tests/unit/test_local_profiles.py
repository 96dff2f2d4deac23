"""The shapes that a federation on one machine may have, and the settings files that say so to its processes."""

import shutil
import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from coordinator.settings import CoordinatorSettings
from deploy.demo import left_running, sign_in
from deploy.demo.left_running import STAFF_RIGHTS
from deploy.local import etcd, postgresql
from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.postgresql_access import PostgresqlAccess
from deploy.local.process import ProcessFailed
from deploy.local.profiles import EMBEDDED, PRODUCTION, Engine, Placement, Profile
from deploy.local.settings_files import Settings, write_settings
from deploy.local.stores import LocalStores
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.files import load as load_configuration
from gateway.federation.revisions import Chain
from gateway.security.alternative_names import uris_of
from gateway.settings import load as load_settings
from region_node.console.served import document_key
from region_node.node.operator_scopes import AUDIT_SERVICE, OperatorScopes
from region_node.node.settings import RegionSettings
from tests.rolling import load as rolling_load


def test_sqlite_serves_one_process_alone() -> None:
    with pytest.raises(ValueError, match="2 processes on sqlite"):
        Placement(Engine.SQLITE, 2)


def test_an_embedded_registry_serves_one_coordinator_alone() -> None:
    with pytest.raises(ValueError, match="etcd"):
        Profile("wrong", coordinators=Placement(Engine.POSTGRESQL, 2))


def test_processes_are_numbered_where_several_serve_the_same(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("guangdong", "sichuan"), PRODUCTION)
    assert list(federation.processes) == ["coordinator-0", "coordinator-1", "guangdong-0", "guangdong-1", "sichuan"]
    endpoints = {replica.endpoint for replica in (*federation.coordinators, *federation.nodes["guangdong"])}
    assert len(endpoints) == 4


def test_every_process_verifies_what_the_administrator_signs(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("sichuan",))
    federation.prepare()
    coordinator = load_settings(CoordinatorSettings, federation.settings_file("coordinator"))
    node = load_settings(RegionSettings, federation.settings_file("sichuan"))
    anchor = coordinator.anchor()
    (tmp_path / "wanted").mkdir()
    shutil.copy(federation.administrator.administration, tmp_path / "wanted")
    assert anchor is not None
    assert anchor == node.anchor()
    wanted, chain = Configuration(federation=FEDERATION), Chain.of(anchor)
    for _ in range(2):
        signed = federation.administrator.signed(chain.place, wanted)
        chain = chain.followed((signed.revision,))
        assert chain.require(signed.content).administration == anchor.administration
    assert load_configuration(tmp_path / "wanted").administration == anchor.administration
    key = federation.administrator.key
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    federation.administrator.prepare()
    assert key.read_bytes() == before, "made anew, it could sign no further revision"


def test_people_sign_in_at_a_demo_as_long_as_the_certificates_of_its_federation_are_valid(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("sichuan",))
    federation.open_web(federation.coordinators[0], "console")
    sign_in.add(federation, federation.coordinators)
    path = tmp_path / "certificates" / "identity-provider" / "provider.crt"
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc >= federation.valid


def test_the_console_of_a_demo_takes_papers_in_under_a_key_of_its_own(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("guangdong", "sichuan"))
    left_running.open_web(federation)
    path = Path(str(federation.web["sichuan"]["document_key"]))
    assert document_key(path) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_browser_gets_in_as_a_member_of_staff_by_the_file_and_the_password_that_the_demo_prints(
    tmp_path: Path,
) -> None:
    federation = LocalFederation(tmp_path, ("sichuan",))
    federation.prepare()
    federation.issue_staff("sichuan", "zhao.min")
    file = left_running.write_browser_file(federation, "sichuan-zhao.min")
    key, certificate, _ = load_key_and_certificates(file.read_bytes(), left_running.BROWSER_PASSWORD.encode())
    assert key is not None
    assert certificate is not None
    assert uris_of(certificate) == [f"spiffe://{FEDERATION}/region/sichuan/staff/zhao.min"]
    assert key.public_key() == certificate.public_key()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="password"):
        load_key_and_certificates(file.read_bytes(), b"another")


def test_a_settings_file_says_what_it_was_given_and_is_its_owners_alone(tmp_path: Path) -> None:
    settings: Settings = {
        "conninfo": "password='\\\\ü\"' port=1",
        "etcd": {"endpoints": ("a:1", "b:2"), "credentials": {"key": "k"}},
        "number": 1,
        "lease": 3.0,
        "reflection": True,
    }
    write_settings(tmp_path / "settings.toml", settings)
    read = tomllib.loads((tmp_path / "settings.toml").read_text("utf-8"))
    assert read.pop("etcd") == {"endpoints": ["a:1", "b:2"], "credentials": {"key": "k"}}
    assert read == {key: value for key, value in settings.items() if key != "etcd"}
    assert (tmp_path / "settings.toml").stat().st_mode & 0o777 == 0o600


def test_all_servers_that_a_shape_needs_and_that_are_not_installed_are_told_before_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "program", lambda: None)
    monkeypatch.setattr(postgresql, "programs", lambda: None)
    with pytest.raises(ProcessFailed, match=r"package etcd-server\).*package postgresql\).*make services"):
        LocalStores(tmp_path, PRODUCTION, ("guangdong", "sichuan")).prepare()
    assert not list(tmp_path.iterdir())
    LocalStores(tmp_path, EMBEDDED, ("guangdong", "sichuan")).prepare()


def test_the_cluster_of_one_owner_holds_its_database_alone(tmp_path: Path) -> None:
    stores = LocalStores(tmp_path, PRODUCTION, ("guangdong", "sichuan"))
    stores.clusters["guangdong"] = PostgresqlAccess(tmp_path / "cluster", [1, 2, 3])
    assert " port=1,2,3 " in stores.conninfo("guangdong", "guangdong-0")
    assert " port=1,2,3 " not in stores.conninfo("coordinator", "coordinator-0")


def test_an_operator_system_takes_in_what_a_load_pays_in_a_day(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("guangdong",))
    federation.prepare()
    amount = OperatorScopes(federation.scopes_file).amount_a_day(OPERATOR)
    assert amount is not None, "versions before know no word in its place"
    assert amount > 100 * rolling_load.AMOUNT * timedelta(days=1) // timedelta(seconds=1)


def test_the_staff_of_the_demo_read_the_audit_chain(tmp_path: Path) -> None:
    federation = LocalFederation(tmp_path, ("sichuan",))
    federation.staff_rights = STAFF_RIGHTS
    federation.prepare()
    assert OperatorScopes(federation.scopes_file).may_use("staff/zhao.min", AUDIT_SERVICE)
