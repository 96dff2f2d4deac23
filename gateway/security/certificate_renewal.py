"""The TLS certificate of a process, renewed by the process itself after two thirds of its life, while it serves.

The fresh key is made here, and its member proves the request (`gateway.security.renewal_proofs`). The answer takes the
place of the renewed files, which servers and channels follow by themselves. The files as they were issued stay as they
are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from opentelemetry.metrics import Meter

from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest, RenewCertificateResponse
from gateway.errors import Problem, Refused, Unreachable
from gateway.process.metrics import observe
from gateway.security.enrolling import UNREADABLE, RequestedRenewal
from gateway.security.identity import Identity
from gateway.security.member_proofs import Prove
from gateway.security.renewal_proofs import proven_request
from gateway.security.renewing import RenewedFiles, due_at, further_names, remove_ended
from gateway.security.tls import CredentialsUnusable, RenewedCredentials
from gateway.time.clock import Clock
from gateway.values.lists import joined

# Seconds between two looks: rare far from the end, and often enough for a life of minutes.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
_PARTS = 20  # looks between now and the end
# An issuing program answers within seconds; what lasts longer is told.
_PATIENCE = timedelta(seconds=30)
# Whoever issues takes no older statement than of an hour.
_SIGNED_ANEW = timedelta(minutes=20)
_log = logging.getLogger(__name__)

Ask = Callable[[RenewCertificateRequest], Awaitable[RenewCertificateResponse]]


@dataclass(frozen=True)
class RenewalPorts:
    """The ports of a renewal."""

    credentials: RenewedCredentials
    identity: Identity
    process: int
    prove: Prove
    authorities: Callable[[], Sequence[x509.Certificate]]
    ask: Ask
    """Raises Refused or Unreachable."""
    clock: Clock
    """The machine's clock, by which TLS judges certificates."""


class NotRenewed(Problem):
    """The certificate cannot be renewed now."""


def install_answer(
    files: RenewedFiles,
    request: RenewCertificateRequest,
    answer: RenewCertificateResponse,
    federation: str,
    authorities: Sequence[x509.Certificate],
    now: datetime,
) -> None:
    """Puts the certificate that answers a request, with its key, in the places of the former ones. `now` is aware.

    Raises NotRenewed, OSError, and ValueError for a certificate that does not fit the request.
    """
    if not answer.tls_certificate:
        raise NotRenewed("no issuing program has answered yet", "签发程序尚未答复")
    RequestedRenewal.parse(request.statement, federation).require_certified(answer.tls_certificate, authorities)
    if due_at(answer.tls_certificate) <= now:
        # It was issued before this process was away for long: the present one may be valid for longer.
        files.discard()
        raise NotRenewed("the certificate for the former request is old by now", "上一次请求的证书已陈旧")
    begin = x509.load_pem_x509_certificate(answer.tls_certificate).not_valid_before_utc
    if begin > now:
        # Servers and channels look at files that change, not at the time: they would miss its begin.
        raise NotRenewed(
            f"the certificate begins at {begin}: the clock of this machine is behind",
            f"证书于{begin}生效：本机时钟偏慢",
        )
    files.install(answer.tls_certificate)


# A file may be broken meanwhile, and an answer may be anything: the process serves on with its certificate.
_FAILURES = (
    NotRenewed,
    OSError,
    *UNREADABLE,
    x509.ExtensionNotFound,
    CredentialsUnusable,
    Refused,
    Unreachable,
)


class CertificateRenewal:
    """Keeps the certificate of one process in force."""

    def __init__(self, ports: RenewalPorts) -> None:
        self._ports = ports
        self._files = RenewedFiles(ports.credentials.renewed)
        self._request: tuple[datetime, ec.EllipticCurvePublicKey, RenewCertificateRequest] | None = None
        self._failing: datetime | None = None
        self._told = ""

    def observe(self, meter: Meter) -> None:
        """Registers the metric of the seconds for which renewal has failed: zero while none is due, or all is well."""

        def failing() -> float:
            now = self._ports.clock.now()
            return (now - self._failing).total_seconds() if self._failing is not None else 0.0

        observe(meter, "crossregion.certificate.failing", "s", lambda: [(failing(), {})])

    async def run(self) -> None:
        """Renews for as long as the process serves. Never returns."""
        try:
            await asyncio.to_thread(self._files.require_writable)
        except OSError as error:
            _log.warning("the certificate cannot be renewed: nothing can be written: %s", error)
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = await self.look()

    async def look(self) -> float:
        """Does what is due, and returns the seconds until the next look."""
        now = self._ports.clock.now()
        try:
            await asyncio.to_thread(self._files.complete)
            await asyncio.to_thread(remove_ended, self._ports.credentials, now)
            due, end = self._times(now)
            if now < due:
                self._failing, self._told = None, ""
                return _pause((due - now).total_seconds())
            with self._files.alone():
                due, end = self._times(now)  # another process may just have renewed it
                if due <= now:
                    await self._renew(now)
        except _FAILURES as error:
            self._note(str(error), now)
            return SHORTEST_PAUSE if self._failing is None else _pause(self._left(now))
        return _pause((end - now).total_seconds() / _PARTS)

    def _times(self, now: datetime) -> tuple[datetime, datetime]:
        chain = self._ports.credentials.in_use(now).certificate.read_bytes()
        return due_at(chain), self._ports.credentials.end(now)

    def _left(self, now: datetime) -> float:
        try:
            return (self._ports.credentials.end(now) - now).total_seconds() / _PARTS
        except CredentialsUnusable:
            return SHORTEST_PAUSE

    async def _renew(self, now: datetime) -> None:
        """Raises NotRenewed, CredentialsUnusable, OSError, ValueError, Refused or Unreachable."""
        self._require_own_name_alone(now)
        key = await asyncio.to_thread(self._files.fresh_key)
        request = self._asked(key, now)
        answer = await self._ports.ask(request)
        federation, authorities = self._ports.identity.federation, self._ports.authorities()
        await asyncio.to_thread(install_answer, self._files, request, answer, federation, authorities, now)
        self._failing, self._told, self._request = None, "", None
        _log.info("the certificate was renewed, and is in force until %s", self._ports.credentials.end(now))

    def _asked(self, key: ec.EllipticCurvePrivateKey, now: datetime) -> RenewCertificateRequest:
        """The signed request for a key; the same one again, until it grows old."""
        if self._request is not None:
            signed, public, request = self._request
            if public == key.public_key() and now - signed < _SIGNED_ANEW:
                return request
        request = proven_request(self._ports.identity, self._ports.process, key, self._ports.prove, now)
        self._request = now, key.public_key(), request
        return request

    def _require_own_name_alone(self, now: datetime) -> None:
        """Raises NotRenewed for a certificate with names that its successor would lack."""
        own = self._ports.credentials.in_use(now).certificate.read_bytes()
        further = further_names(own, self._ports.identity)
        if further:
            names = joined(further)
            raise NotRenewed(
                f"it proves {names.en}, too: have the authority renew it by hand",
                f"该证书还证明{names.zh_cn}：请由证书颁发机构人工续期",
            )

    def _note(self, problem: str, now: datetime) -> None:
        """Tells what lasts, once for each problem."""
        self._failing = self._failing or now
        if now - self._failing > _PATIENCE and problem != self._told:
            self._told = problem
            _log.error("the certificate is not renewed, and ends at %s: %s", self._end(now), problem)

    def _end(self, now: datetime) -> str:
        try:
            return f"{self._ports.credentials.end(now)}"
        except CredentialsUnusable as error:
            return f"an unknown time ({error})"


def _pause(seconds: float) -> float:
    return min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE)
