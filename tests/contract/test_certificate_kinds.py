"""`certificates list`: the kind of each certificate, by what it says itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.security.authority import Authority
from gateway.security.identity import parse
from gateway.security.issuers import NODES
from gateway.security.issuing import CertificateKind, IssuerDirectory
from tests import preloaded
from tests.contract.small_federation import FEDERATION

DAY = timedelta(days=1)


def stranger(now: datetime) -> x509.Certificate:
    """A certificate that says nothing about its use, as another program may leave it among the issued ones."""
    name, key = x509.Name([]), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + DAY)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.slow  # commands
def test_the_certificates_of_a_region_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    now, uri = datetime.now(UTC), f"spiffe://{FEDERATION}/region/sichuan"
    Authority.create(FEDERATION, now - DAY, now + 9 * DAY).save(tmp_path)
    issuer = IssuerDirectory(tmp_path)
    issued = issuer.issue(parse(uri, FEDERATION), now, DAY)
    assert issued.signing is not None
    of_region = issuer.authority.issue_issuer("sichuan", now, now + DAY).certificate
    of_nodes = issuer.authority.issue_renewing_issuer(NODES, now, now + DAY).certificate
    for each in (of_region, of_nodes, stranger(now)):
        issuer.keep(each)
    assert {each.serial: each.kind for each in issuer.issued()} == {
        issued.tls.certificate.serial_number: CertificateKind.TLS,
        issued.signing.certificate.serial_number: CertificateKind.SIGNING,
        of_region.serial_number: CertificateKind.ISSUER,
        of_nodes.serial_number: CertificateKind.ISSUER,
        7: CertificateKind.OTHER,
    }

    def listed(language: str, *words: str) -> str:
        environment = {"CROSSREGION_LANG": language, "COLUMNS": "200"}
        command = ("certificates", "list", str(tmp_path), *words)
        ended = preloaded.run("coordinator.cli.main", *command, environment=environment)
        assert ended.code == 0, ended.err
        return ended.out

    signing = f"{issued.signing.certificate.serial_number:x}"
    (row,) = (line for line in listed("zh").splitlines() if signing in line)
    assert "签名" in row, row
    alone = listed("en", "--kind", "signing")
    assert (signing in alone, alone.count(uri)) == (True, 1), alone
