"""An authority for the stores: PostgreSQL and etcd trust it on this machine.

It is never the federation's: every member of the federation has a certificate of that one, and would get access.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.security.authority import (
    AUTHORITY_CERTIFICATE,
    LOOPBACK,
    TLS_CERTIFICATE,
    TLS_KEY,
    CertificateSet,
    Issued,
    key_usage,
)
from gateway.security.tls import Credentials

HOST_NAME = "localhost"  # the DNS name in a server's certificate
_VALID = timedelta(days=365)  # federations under test live for months from some day of the next one on
_SKEW = timedelta(minutes=10)  # the tolerance for clocks


class StoreAuthority:
    """The authority of one store. Its key is never written down: it lives as long as this object."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(f"{name} authority")
        self.certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue_server(self, common_name: str) -> Issued:
        """A certificate for a server on loopback, which is also a client of its peers."""
        names = x509.SubjectAlternativeName([x509.DNSName(HOST_NAME), *map(x509.IPAddress, LOOPBACK)])
        return self._issue(common_name, [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], names)

    def issue_client(self, common_name: str) -> Issued:
        """A certificate for a client that the server knows by its common name."""
        return self._issue(common_name, [ExtendedKeyUsageOID.CLIENT_AUTH], None)

    def write(self, issued: Issued, directory: Path) -> Credentials:
        """Lays down the files of a server or client, the key readable by its owner alone. Raises OSError."""
        CertificateSet(Issued(self.certificate, self._key).certificate_pem, issued, None).write(directory)
        return Credentials(directory / AUTHORITY_CERTIFICATE, directory / TLS_CERTIFICATE, directory / TLS_KEY)

    def _issue(
        self,
        common_name: str,
        usages: Sequence[x509.ObjectIdentifier],
        names: x509.SubjectAlternativeName | None,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_common_name(common_name), self._name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return Issued(builder.sign(self._key, hashes.SHA256()), key)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
