"""Certificates and keys: readable, in force, of the right member, fitting each other, and closed to others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import Refused
from gateway.maintenance.doctor.findings import Finding, State, bad, good, not_checked, warning
from gateway.security.alternative_names import dns_names_of, uris_of
from gateway.security.identity import Identity, server_name
from gateway.security.peers import has_issued
from gateway.security.private_keys import KeyUnusable, open_key, pem_key, uri_in
from gateway.security.renewing import LONGEST_RENEWED
from gateway.security.signing import TrustedKeys
from gateway.security.tls import Credentials
from gateway.wording.languages import enumerated, refusal, translated
from gateway.wording.times import told_time

EXPIRES_SOON = timedelta(days=14)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
OTHERS, ALL_BUT_OWNER = 0o007, 0o077
_GRAVITY = (State.GOOD, State.NOT_CHECKED, State.WARNING, State.BAD)


class Unreadable(Exception):
    """A file is unreadable, or has other content."""


def check_credentials(credentials: Credentials, now: datetime, of: Identity | None, prefix: str = "") -> list[Finding]:
    """Checks the authority, the certificate and the key. `of` is the identity in the certificate; None accepts any.

    `prefix` precedes the names of the checks. `now` is aware.
    """
    authority_name, name, key_name = (
        f"{prefix}{part}" for part in (translated("authority"), translated("certificate"), translated("key"))
    )
    authorities: Sequence[x509.Certificate] = ()
    try:
        authorities = _certificates(credentials.authority)
        findings = [_in_force(authority_name, credentials.authority, authorities, now)]
    except Unreadable as error:
        findings = [bad(authority_name, str(error), translated("put the certificate (PEM) of the authority there"))]
    try:
        chain = _certificates(credentials.certificate)
    except Unreadable as error:
        todo = translated("put the certificate (PEM) there that the authority issued to this process")
        return [*findings, bad(name, str(error), todo), _key(key_name, credentials.key, None)]
    fault = _fault(chain, authorities, of)
    if fault:
        found = f"{credentials.certificate}: {fault}"
        findings.append(
            bad(name, found, translated("have the authority issue another one, and replace certificate and key"))
        )
    else:
        findings.append(_in_force(name, credentials.certificate, chain[:1], now))
    return [*findings, _key(key_name, credentials.key, chain[0])]


def check_signing(
    certificate: Path, key: Path, credentials: Credentials, region: str, federation: str, now: datetime
) -> list[Finding]:
    """Checks a region's signing credentials: issued to it by the federation's authority, and with the matching key."""
    name, key_name = translated("signing certificate"), translated("signing key")
    try:
        signing = _certificates(certificate)[0]
    except Unreadable as error:
        todo = translated("put the certificate (PEM) there that the authority issued to the region for signatures")
        return [bad(name, str(error), todo), _key(key_name, key, None, signs=True)]
    findings = [_in_force(name, certificate, [signing], now)]
    try:
        TrustedKeys(credentials.authority.read_bytes(), federation).accept(region, certificate.read_bytes(), now)
    except (OSError, ValueError) as error:
        findings = [not_checked(name, translated("the authority cannot be used: {problem}", problem=error))]
    except Refused as refused:
        # else the certificate is only out of its time, which another finding reports
        if findings[0].state is not State.BAD:
            told = refusal(refused)
            todo = translated("other regions refuse what it signs: have the authority issue one to this region")
            findings = [bad(name, f"{certificate}: {told}", todo)]
    return [*findings, _key(key_name, key, signing, signs=True)]


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValueError:
        raise Unreadable(translated("{path}: holds no certificate that can be read", path=path)) from None


def _in_force(name: str, path: Path, certificates: Sequence[x509.Certificate], now: datetime) -> Finding:
    """Whether one of them is, and for how long."""
    begins = min(each.not_valid_before_utc for each in certificates)
    ends = max(each.not_valid_after_utc for each in certificates)
    if now < begins:
        todo = translated("set the clock of this machine right, or use a certificate that is valid")
        return bad(
            name,
            translated("{path}: is not valid before {time}", path=path, time=told_time(begins)),
            todo,
        )
    if now > ends:
        todo = translated("have a new one issued and replace the file: what runs takes it up without a restart")
        return bad(name, translated("{path}: expired at {time}", path=path, time=told_time(ends)), todo)
    left = ends - now
    told = (
        translated("{days} more days", days=left.days)
        if left > _DAY
        else translated("{hours} more hours", hours=left // _HOUR)
    )
    found = translated("{path}: valid for {left}", path=path, left=told)
    # A program renews a certificate of hours to days, after two thirds of its life.
    life = ends - begins
    if left < (EXPIRES_SOON if life > LONGEST_RENEWED else life / 3):
        return warning(name, found, translated("replace it before {time}", time=told_time(ends)))
    return good(name, found)


def _fault(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], member: Identity | None
) -> str | None:
    if authorities and not _is_issued(chain, authorities):
        return translated("was not issued by the authority")
    if member is None:
        return None
    uris = uris_of(chain[0])
    if uris != [member.uri]:
        named = enumerated(uris) or translated("nobody")
        return translated("names {named} instead of {wanted}", named=named, wanted=member.uri)
    own = server_name(member.role, member.region, member.federation)
    if own not in dns_names_of(chain[0]):
        return translated("does not prove the DNS name {name}, which its callers expect", name=own)
    return _fault_of_usage(chain[0])


def _is_issued(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    """Whether the first certificate leads to an authority, over those behind it in its file."""
    for position, certificate in enumerate(chain):
        if any(has_issued(each, certificate) for each in authorities):
            return True
        if position + 1 == len(chain) or not has_issued(chain[position + 1], certificate):
            return False
    return False


def _fault_of_usage(certificate: x509.Certificate) -> str | None:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if ExtendedKeyUsageOID.SERVER_AUTH not in usages or ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        return translated("is not for both server and client")
    return None


def _key(name: str, path: Path, certificate: x509.Certificate | None, *, signs: bool = False) -> Finding:
    try:
        content, modes = path.read_bytes(), {path: path.stat().st_mode}
        key = open_key(path) if signs else pem_key(path, content)
        if (uri := uri_in(path, content)) is not None:
            modes[uri.pin_source] = uri.pin_source.stat().st_mode
    except OSError as error:
        return bad(
            name, f"{path}: {error.strerror}", translated("put the private key (PEM) there, readable by this user")
        )
    except KeyUnusable as error:
        todo = translated("put the private key (PEM, without a password) there, or the right URI of a key in a token")
        return bad(name, str(error), todo)
    if signs and not isinstance(key, Ed25519PrivateKey):
        return bad(
            name,
            translated("{path}: is no Ed25519 key", path=path),
            translated("have a signing certificate issued for an Ed25519 key"),
        )
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate is not None and key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        return bad(
            name,
            translated("{path}: is not the key of the certificate", path=path),
            translated("put the two there that were issued together"),
        )
    found = [_privacy(name, each, mode & 0o777, certificate) for each, mode in modes.items()]
    return max(found, key=lambda each: _GRAVITY.index(each.state))


def _privacy(name: str, path: Path, mode: int, certificate: x509.Certificate | None) -> Finding:
    if mode & OTHERS:
        todo = f"chmod 600 {path}, and have another key issued: this one is known"
        return bad(name, translated("{path}: everybody may read it (mode {mode})", path=path, mode=f"{mode:o}"), todo)
    if mode & ALL_BUT_OWNER:
        return warning(
            name,
            translated("{path}: its group may read it (mode {mode})", path=path, mode=f"{mode:o}"),
            f"chmod 600 {path}",
        )
    if certificate is None:
        return not_checked(
            name, translated("{path}: can be read; there is no certificate to compare it with", path=path)
        )
    return good(name, translated("{path}: fits the certificate, closed to others", path=path))
