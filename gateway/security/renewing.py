"""Renewal of a node's TLS certificate while it serves: the fresh key, what the region signs, and the replaced files.

Two files cannot be replaced at once. So the fresh key and its certificate stand beside the present ones, as `.next`,
until both are there; a process that is killed between the two renamings completes them at its next start.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.types.v1.access_pb2 import Role
from gateway.process.files import create_file, existing, go_on_private, replace_file, require_writable
from gateway.security.alternative_names import dns_names_of
from gateway.security.identity import Identity, server_name
from gateway.security.private_keys import KeyUnusable, file_key, private_pem
from gateway.security.tls import Credentials, CredentialsUnusable, RenewedCredentials, end_of

LONGEST_RENEWED = timedelta(days=3, hours=1)  # with the head start of its begin
"""A certificate with a longer life is taken for one that people replace."""
_PUBLIC = 0o644
_NEXT = ".next"


@dataclass(frozen=True)
class RenewedFiles:
    """The files of the credentials that a process renews, and those that are to take their places."""

    credentials: Credentials
    """The renewed ones: `gateway.security.tls.RenewedCredentials.renewed`."""

    @property
    def next_key(self) -> Path:
        """The file of the fresh key, until its certificate is there."""
        return _beside(self.credentials.key)

    @property
    def next_certificate(self) -> Path:
        """The file of the fresh certificate, until it is in its place."""
        return _beside(self.credentials.certificate)

    def require_writable(self) -> None:
        """Raises OSError where the files cannot be written."""
        require_writable(existing(self.credentials.key.parent))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from renewing these files meanwhile. Raises BlockingIOError where one does, or OSError.

        Nobody but the owner of the files can hold the lock. A file system without locks keeps nobody away.
        """
        key = self.credentials.key
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with go_on_private(key.with_name(f"{key.name}.lock")) as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"{key.parent}: another process renews these files now") from None
            except OSError:
                pass
            yield

    def fresh_key(self) -> ec.EllipticCurvePrivateKey:
        """The fresh key, which is made where there is none: after a restart the same one. Raises OSError."""
        try:
            key = file_key(self.next_key)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key
        except (FileNotFoundError, KeyUnusable):
            self.next_key.unlink(missing_ok=True)
        made = ec.generate_private_key(ec.SECP256R1())
        self.next_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(self.next_key, private_pem(made))
        return made

    def discard(self) -> None:
        """Removes the fresh key: the next one is another."""
        self.next_key.unlink(missing_ok=True)

    def install(self, certificate: bytes) -> None:
        """Puts the fresh key and its certificate (PEM) in the places of the former ones.

        Raises OSError, and ValueError for a certificate of another key: two commands may renew in one directory.
        """
        if file_key(self.next_key).public_key() != x509.load_pem_x509_certificate(certificate).public_key():
            raise ValueError(f"{self.next_key}: another process has put another key there meanwhile")
        replace_file(self.next_certificate, certificate, _PUBLIC)
        self.complete()

    def complete(self) -> None:
        """Completes what was begun: nothing without a fresh certificate. Raises OSError."""
        if not self.next_certificate.exists():
            return
        if self.next_key.exists():
            self.next_key.replace(self.credentials.key)
        self.next_certificate.replace(self.credentials.certificate)


def completed(credentials: Credentials) -> Credentials:
    """The credentials of a process that starts, whose renewal is completed where it was cut short.

    A process of an older version renewed the issued files themselves.
    """
    if isinstance(credentials, RenewedCredentials):
        for pair in (credentials, credentials.renewed):
            with contextlib.suppress(OSError):  # the next renewal tells it
                RenewedFiles(pair).complete()
    return credentials


def remove_ended(credentials: RenewedCredentials, now: datetime) -> None:
    """Removes a renewed pair that has ended, where the issued one can be used: servers see that, and go back to it.

    Raises OSError.
    """
    renewed = credentials.renewed
    try:
        credentials.load(now)
        ended = end_of(renewed.certificate) < now
    except CredentialsUnusable:
        return
    if ended:
        renewed.certificate.unlink()
        renewed.key.unlink(missing_ok=True)


def due_at(chain: bytes) -> datetime:
    """The time at which a certificate (PEM, with its issuers behind it) is to be renewed: after two thirds of its life.

    The first end among them counts. Raises ValueError.
    """
    own, *issuers = x509.load_pem_x509_certificates(chain)
    end = min(each.not_valid_after_utc for each in (own, *issuers))
    return end - (end - own.not_valid_before_utc) / 3


def further_names(chain: bytes, identity: Identity) -> list[str]:
    """The DNS names of a member's certificate (PEM) beside that of its role, which no renewed one proves.

    Raises ValueError.
    """
    names = dns_names_of(x509.load_pem_x509_certificate(chain))
    if identity.role == Role.ROLE_ADMIN:  # no server
        return names
    role = server_name(identity.role, identity.region, identity.federation)
    return [name for name in names if name != role]


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _NEXT)
