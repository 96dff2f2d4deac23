"""The check of a doctor on the renewal of the certificate of its process."""

from datetime import datetime
from pathlib import Path

from gateway.api.types.v1.access_pb2 import Role
from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.security.identity import Identity
from gateway.security.renewing import RenewedFiles, further_names
from gateway.security.tls import Credentials, CredentialsUnusable, RenewedCredentials, end_of
from gateway.wording.languages import enumerated, translated


def check_renewal(own: Credentials, identity: Identity, now: datetime) -> Finding:
    """Whether a process renews its certificate, and can write where it does. `now` is aware."""
    name = translated("renewal of the certificate")
    if not isinstance(own, RenewedCredentials):
        return good(name, translated("off: people replace the certificate before it ends"))
    if further := _further(own.in_use(now).certificate, identity):
        found = translated("off for {names}: people replace the certificate before it ends", names=enumerated(further))
        return good(name, found)
    if _has_ended(own.in_use(now).certificate, now):
        return bad(name, translated("the certificate has ended, and opens no way to renew it"), _way_back(identity))
    try:
        RenewedFiles(own.renewed).require_writable()
    except OSError as error:
        found = translated("{place}: nothing can be written: {problem}", place=own.directory, problem=error.strerror)
        return warning(name, found, translated("let the user that the process runs as own the directory"))
    return good(name, translated("{directory}: the process renews its certificate there", directory=own.directory))


def _has_ended(certificate: Path, now: datetime) -> bool:
    """False where the file cannot be read, as below."""
    try:
        return end_of(certificate) < now
    except CredentialsUnusable:
        return False


def _way_back(identity: Identity) -> str:
    if identity.role == Role.ROLE_REGION:
        return translated("bring `region-node certificate request` to an administrator, and install the answer")
    return translated("have the issuer of coordinators, or the authority, issue another one")


def _further(certificate: Path, identity: Identity) -> list[str]:
    """None where the file cannot be read, which another finding reports."""
    try:
        return further_names(certificate.read_bytes(), identity)
    except (OSError, ValueError):
        return []
