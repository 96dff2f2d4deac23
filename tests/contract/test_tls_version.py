"""Servers speak TLS 1.3 and nothing older, however they are started."""

import socket
import ssl
from pathlib import Path
from ssl import TLSVersion

import pytest

from deploy.local.ports import HeldPort
from deploy.local.process import LocalProcess, Program, launch_anew
from gateway.security.tls import Credentials
from gateway.security.tls_version import CIPHERS_OF_TLS_1_2
from tests.contract.programs import COORDINATOR, REGION_NODE, Installation
from tests.contract.small_federation import Certificates

SECONDS = 60.0
VARIABLE, _ = CIPHERS_OF_TLS_1_2
FURTHER_PORTS = {COORDINATOR: "enrolment.listen", REGION_NODE: "web.listen"}


def version_with(port: int, credentials: Credentials, version: TLSVersion) -> str | None:
    """The version that a client of one version and a server agree on; None where the server breaks off."""
    client = ssl.create_default_context(cafile=str(credentials.authority))
    client.load_cert_chain(credentials.certificate, credentials.key)
    client.minimum_version = client.maximum_version = version
    client.check_hostname = False
    client.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS) as raw,
            client.wrap_socket(raw) as wrapped,
        ):
            return wrapped.version()
    except (ssl.SSLError, ConnectionError):
        return None


@pytest.mark.parametrize("name", [REGION_NODE, COORDINATOR])
def test_a_server_that_is_started_by_hand_refuses_whoever_speaks_tls_1_2_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, further = Installation.make(name, tmp_path), HeldPort()
    installed.settings[FURTHER_PORTS[name]] = f"127.0.0.1:{further.number}"
    caller = installed.certificates.credentials("admin/root" if name == COORDINATOR else "region/sichuan")
    monkeypatch.delenv(VARIABLE, raising=False)
    with installed.serving(launch_anew) as process:
        for port in (int(process.program.port_file.read_text("ascii")), further.number):
            assert version_with(port, caller, TLSVersion.TLSv1_3) == "TLSv1.3"
            assert version_with(port, caller, TLSVersion.TLSv1_2) is None


def test_the_example_of_a_regions_own_system_refuses_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = Certificates(tmp_path)
    system, node = (certificates.credentials(f"region/sichuan{each}") for each in ("/provider/example", ""))
    log, port_file = tmp_path / "log", tmp_path / "port"
    arguments = (f"--directory={system.key.parent}", "--listen=127.0.0.1:0", f"--port-file={port_file}")
    monkeypatch.delenv(VARIABLE, raising=False)
    process = LocalProcess(Program("provider", "deploy.provider", arguments, log, port_file), launch_anew)
    try:
        process.start()
        port = int(port_file.read_text("ascii"))
        assert version_with(port, node, TLSVersion.TLSv1_3) == "TLSv1.3"
        assert version_with(port, node, TLSVersion.TLSv1_2) is None
    finally:
        process.kill()


def test_the_environment_can_say_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Installation.make(COORDINATOR, tmp_path)
    monkeypatch.setenv(VARIABLE, "ECDHE-ECDSA-AES256-GCM-SHA384")
    with installed.serving(launch_anew) as process:
        port = int(process.program.port_file.read_text("ascii"))
        caller = installed.certificates.credentials("admin/root")
        assert version_with(port, caller, TLSVersion.TLSv1_2) == "TLSv1.2"
