"""RenewalService: members request their next certificate, and an issuing program of the administrators answers."""

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
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unfit, problem_of
from gateway.rpc.calls import current_call
from gateway.rpc.rates import Rate
from gateway.security.enrolling import LONGEST_AGE, PROCESSES, RequestedRenewal
from gateway.security.identity import Identity
from gateway.security.member_proofs import MemberProof
from gateway.security.renewal_proofs import require_member_proof
from gateway.security.signing import RENEWAL, TrustedKeys
from gateway.time.clock import Clock, from_timestamp

# Fresh keys of one member: each of its processes needs one for a certificate, and each is a write.
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
        return await self.renew(request, current_call().identity)

    async def renew(
        self, request: contract.RenewCertificateRequest, caller: Identity
    ) -> contract.RenewCertificateResponse:
        """The same for a caller, such as this coordinator itself. Raises Refused."""
        asked = self._asked(request, caller)
        stored = await self._renewals.find(asked.id)
        if not _answers(stored, request.statement, asked):
            if not self._rate.allows(caller.path, asyncio.get_running_loop().time()):
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
        actor, authorities = current_call().identity.path, self._keys.authorities
        # Not by the id that the program names: another version may make another one of the same statement.
        stored = (each.id for each in await self._renewals.all() if each.statement == request.statement)
        name = next(stored, request.renewal_id)
        await self._renewals.change(
            name,
            lambda before: _issued(before, request, authorities, self._federation),
            Administered(actor, "CERTIFICATE_RENEWED", f"renewal/{name}"),
        )
        return contract.IssueCertificateResponse()

    def _asked(self, request: contract.RenewCertificateRequest, caller: Identity) -> RequestedRenewal:
        """The renewal that a member asks for. Raises Refused, mostly with CERTIFICATE_REQUEST_INVALID."""
        now, statement = self._clock.now(), request.statement
        proof = MemberProof(request.signing_certificate, request.signature)
        try:
            asked = RequestedRenewal.parse(statement, self._federation)
            if asked.identity != caller:
                raise Unfit("it is of another member than the connection", "与本次连接的成员不同")
            asked.require_fresh(now)
            if caller.role != Role.ROLE_REGION:
                require_member_proof(asked, statement, proof, self._keys, now)
            elif not self._keys.verify_evidence(
                caller.region, proof.certificate, statement, proof.signature, now, RENEWAL
            ):
                raise Unfit("the region has not signed it", "未经该地区签名")
        except ValueError as error:
            raise Refused(Reason.REASON_CERTIFICATE_REQUEST_INVALID, **problem_of(error)) from None
        return asked


def _turn(renewal: Renewal) -> tuple[int, str]:
    """The place in the list: a region with many processes hides no other member."""
    return RenewalStatement.FromString(renewal.statement).process, renewal.id


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
        raise Refused(Reason.REASON_CERTIFICATE_UNFIT, **problem_of(error)) from None
    after = Renewal()
    after.CopyFrom(before)
    after.tls_certificate = request.tls_certificate
    return after
