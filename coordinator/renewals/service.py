"""RenewalService: nodes request their next certificate, and an issuing program of the administrators answers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import grpc
from cryptography import x509

from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered
from gateway.api.coordinator.v1 import renewal_service_pb2 as contract
from gateway.api.coordinator.v1.renewal_service_pb2 import Renewal, RenewalStatement
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import current_call
from gateway.rpc.rates import Rate
from gateway.security.enrolling import LONGEST_AGE, PROCESSES, RequestedRenewal
from gateway.security.signing import RENEWAL, TrustedKeys
from gateway.time.clock import Clock, from_timestamp

# Fresh keys of one region: each of its processes needs one for a certificate, and each is a write.
FRESH = PROCESSES
_FRESH_PER_HOUR = 2 * PROCESSES
LISTED = 100  # renewals at once


class RenewalService(RenewalServiceServicer):
    """See the contract."""

    def __init__(self, federation: str, registry: Registry, keys: TrustedKeys, clock: Clock) -> None:
        self._federation = federation
        self._renewals = registry.renewals
        self._keys = keys
        self._clock = clock
        self._rate = Rate(FRESH, _FRESH_PER_HOUR / 3600)

    async def RenewCertificate(
        self,
        request: contract.RenewCertificateRequest,
        context: grpc.aio.ServicerContext[contract.RenewCertificateRequest, contract.RenewCertificateResponse],
    ) -> contract.RenewCertificateResponse:
        """See the contract."""
        region = current_call().identity.region
        asked = self._asked(request, region)
        stored = await self._renewals.find(asked.id)
        if not _answers(stored, request.statement, asked):
            if not self._rate.allows(region, asyncio.get_running_loop().time()):
                raise Refused(Reason.REASON_ENROLMENTS_TOO_MANY)
            fresh = Renewal(
                id=asked.id,
                statement=request.statement,
                signing_certificate=request.signing_certificate,
                signature=request.signature,
            )

            def decide(before: Renewal | None) -> Renewal | None:
                return None if _answers(before, request.statement, asked) else fresh

            stored = await self._renewals.change(asked.id, decide)
        assert stored is not None, "it was stored just now"
        return contract.RenewCertificateResponse(tls_certificate=stored.tls_certificate)

    async def ListRenewals(
        self,
        request: contract.ListRenewalsRequest,
        context: grpc.aio.ServicerContext[contract.ListRenewalsRequest, contract.ListRenewalsResponse],
    ) -> contract.ListRenewalsResponse:
        """See the contract."""
        now = self._clock.now()
        waiting = [each for each in await self._renewals.all() if not each.tls_certificate and _counts(each, now)]
        return contract.ListRenewalsResponse(renewals=sorted(waiting, key=_turn)[:LISTED])

    async def IssueCertificate(
        self,
        request: contract.IssueCertificateRequest,
        context: grpc.aio.ServicerContext[contract.IssueCertificateRequest, contract.IssueCertificateResponse],
    ) -> contract.IssueCertificateResponse:
        """See the contract."""
        actor, name = current_call().identity.path, request.renewal_id
        authorities = self._keys.authorities
        await self._renewals.change(
            name,
            lambda before: _issued(before, request, authorities, self._federation),
            Administered(actor, "CERTIFICATE_RENEWED", f"renewal/{name}"),
        )
        return contract.IssueCertificateResponse()

    def _asked(self, request: contract.RenewCertificateRequest, region: str) -> RequestedRenewal:
        """The renewal that a region asks for. Raises Refused with CERTIFICATE_REQUEST_INVALID."""
        try:
            asked = RequestedRenewal.parse(request.statement, self._federation)
            if asked.identity.region != region:
                raise ValueError("it is of another region than the connection")
            asked.require_fresh(self._clock.now())
            pem, statement, signature = request.signing_certificate, request.statement, request.signature
            if not self._keys.verify_evidence(region, pem, statement, signature, self._clock.now(), RENEWAL):
                raise ValueError("the region has not signed it")
        except ValueError as error:
            raise Refused(Reason.REASON_CERTIFICATE_REQUEST_INVALID, problem=str(error)) from None
        return asked


def _turn(renewal: Renewal) -> tuple[int, str]:
    """The place in the list: a region with many processes hides no other one."""
    statement = RenewalStatement.FromString(renewal.statement)
    return statement.process, statement.region


def _counts(renewal: Renewal, now: datetime) -> bool:
    """Whether a statement is young enough for an issuing program."""
    asked = from_timestamp(RenewalStatement.FromString(renewal.statement).request_time)
    return abs(now - asked) <= LONGEST_AGE


def _answers(stored: Renewal | None, statement: bytes, asked: RequestedRenewal) -> bool:
    """Whether a stored renewal is that of a statement; once it has its certificate, of each statement of its key."""
    if stored is None:
        return False
    if stored.statement == statement:
        return True
    federation = asked.identity.federation
    return bool(stored.tls_certificate) and RequestedRenewal.parse(stored.statement, federation).key == asked.key


def _issued(
    before: Renewal | None,
    request: contract.IssueCertificateRequest,
    authorities: Sequence[x509.Certificate],
    federation: str,
) -> Renewal | None:
    """The renewal with its certificate; None where it has one. Raises Refused."""
    if before is None or before.statement != request.statement:
        raise Refused(Reason.REASON_ENROLMENT_NOT_FOUND, enrolment=request.renewal_id)
    if before.tls_certificate:
        return None
    try:
        RequestedRenewal.parse(before.statement, federation).require_certified(request.tls_certificate, authorities)
    except ValueError as error:
        raise Refused(Reason.REASON_CERTIFICATE_UNFIT, problem=str(error)) from None
    after = Renewal()
    after.CopyFrom(before)
    after.tls_certificate = request.tls_certificate
    return after
