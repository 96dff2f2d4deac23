"""Servers that are deployed as described speak TLS 1.3 and nothing older."""

import socket
import ssl
from pathlib import Path
from ssl import TLSVersion

import pytest

from deploy.local.process import launch_anew
from gateway.security.tls import TLS_1_3_ALONE, Credentials
from tests.contract.coordinator_process import coordinator_process
from tests.contract.small_federation import Certificates

SECONDS = 60.0
DEPLOY = Path(__file__).parents[2] / "deploy"
DESCRIPTIONS = ("image/Dockerfile", "systemd/coordinator@.service", "systemd/region-node@.service")


def version_with(endpoint: str, credentials: Credentials, version: TLSVersion) -> str | None:
    """The version that a client of one version and a server agree on; None where the server breaks off."""
    client = ssl.create_default_context(cafile=str(credentials.authority))
    client.load_cert_chain(credentials.certificate, credentials.key)
    client.minimum_version = client.maximum_version = version
    client.check_hostname = False
    client.set_alpn_protocols(["h2"])
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), SECONDS) as raw, client.wrap_socket(raw) as wrapped:
            return wrapped.version()
    except (ssl.SSLError, ConnectionError):
        return None


def test_a_deployed_server_refuses_whoever_speaks_tls_1_2_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(tmp_path / "certificates")
    node = certificates.credentials("region/sichuan")
    monkeypatch.setenv(*TLS_1_3_ALONE)
    with coordinator_process(certificates, tmp_path / "coordinator", launcher=launch_anew) as coordinator:
        assert version_with(coordinator.endpoint, node, TLSVersion.TLSv1_3) == "TLSv1.3"
        assert version_with(coordinator.endpoint, node, TLSVersion.TLSv1_2) is None


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_every_description_of_a_server_says_so(description: str) -> None:
    assert "=".join(TLS_1_3_ALONE) in (DEPLOY / description).read_text("utf-8")
