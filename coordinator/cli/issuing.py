"""The program that certifies what members renew, beside the coordinators: it believes no word of a coordinator."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import click
from cryptography import x509

from coordinator.cli.asking import Asking
from gateway.api.coordinator.v1 import renewal_service_pb2 as contract
from gateway.api.coordinator.v1.renewal_service_pb2 import Renewal
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.api.coordinator.v1.revocation_service_pb2 import ListRevocationListsRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.cli.exits import NotDone
from gateway.errors import Refused, Unfit
from gateway.security.enrolling import RequestedRenewal
from gateway.security.issuers import RENEWING
from gateway.security.issuing import IssuerDirectory
from gateway.security.member_proofs import MemberProof
from gateway.security.private_keys import KeyUnusable
from gateway.security.renewal_proofs import require_member_proof
from gateway.security.revocations import Revocations
from gateway.security.signing import RENEWAL, TrustedKeys
from gateway.wording.languages import refusal, translated


class Issuing:
    """An issuer that renews certificates, at work."""

    def __init__(self, asking: Asking, issuer: IssuerDirectory, life: timedelta) -> None:
        """`life` is that of the certificates. Ends the command for an issuer that renews none."""
        self._asking = asking
        self._issuer = issuer
        self._life = life
        self._refused: dict[str, bytes] = {}
        if issuer.authority.region not in RENEWING:
            raise NotDone([translated("the directory holds another issuer than that of nodes, or of coordinators")])
        self._keys = TrustedKeys(_authority(asking), asking.link.federation)

    def look(self) -> Iterator[str]:
        """Certifies the waiting renewals of this issuer, and gives the id of each. Ends as `Asking.ask`.

        A renewal that its member has not signed stays without a certificate, with one line on standard error.
        """
        self._follow()
        waiting = self._asking.ask(
            lambda channel: RenewalServiceStub(channel).ListRenewals, contract.ListRenewalsRequest()
        )
        for renewal in waiting.renewals:
            if self._refused.get(renewal.id) == renewal.statement:
                continue
            try:
                asked = RequestedRenewal.parse(renewal.statement, self._asking.link.federation)
                if asked.issuer != self._issuer.authority.region:
                    continue  # for the program of the other issuer
                certificate = self._certified(renewal, asked)
                request = contract.IssueCertificateRequest(
                    renewal_id=renewal.id, statement=renewal.statement, tls_certificate=certificate
                )
                self._asking.ask(lambda channel: RenewalServiceStub(channel).IssueCertificate, request)
            except KeyUnusable as error:
                raise NotDone([str(error)]) from error
            except (OSError, ValueError, Refused, NotDone) as error:
                # One member that misbehaves must not keep the others from their certificates.
                self._refused[renewal.id] = renewal.statement
                problem = translated(
                    "{renewal} gets no certificate: {problem}", renewal=renewal.id, problem=refusal(error)
                )
                click.echo(problem, err=True)
                continue
            yield renewal.id

    def certify(self, request: contract.RenewCertificateRequest) -> tuple[str, bytes]:
        """The id of a request that people have brought, and its certificate (PEM). Ends the command without one."""
        self._follow()
        renewal = Renewal(
            statement=request.statement, signing_certificate=request.signing_certificate, signature=request.signature
        )
        try:
            asked = RequestedRenewal.parse(request.statement, self._asking.link.federation)
            if asked.issuer != self._issuer.authority.region:
                raise NotDone([translated("{member} renews by another issuer", member=asked.identity.path)])
            return asked.id, self._certified(renewal, asked)
        except (OSError, ValueError, Refused) as error:
            raise NotDone([refusal(error)]) from error

    def _follow(self) -> None:
        """Takes over the authority, which rotates without a restart, and the revocations. Ends as `Asking.ask`."""
        lists = _lists_in_force(self._asking)
        self._keys.replace_authority(_authority(self._asking))
        self._keys.revocations.take_each(lists)

    def _certified(self, renewal: Renewal, asked: RequestedRenewal) -> bytes:
        """The certificate (PEM). Raises ValueError, Refused or OSError where there is none for it."""
        now = datetime.now(UTC)
        self._require_signed(renewal, asked, now)
        asked.require_fresh(now)
        return self._issuer.renew(asked, now, self._life)

    def _require_signed(self, renewal: Renewal, asked: RequestedRenewal, now: datetime) -> None:
        """Raises ValueError or Refused unless the member has signed its statement."""
        certificate, region = renewal.signing_certificate, asked.identity.region
        if not region:
            proof = MemberProof(certificate, renewal.signature)
            require_member_proof(asked, renewal.statement, proof, self._keys, now)
            return
        self._keys.accept(region, certificate, now)
        if not self._keys.verify(region, RENEWAL, renewal.statement, renewal.signature):
            raise Unfit("its region has not signed it", "未经其地区签名")


def revocations_in_force(asking: Asking) -> Revocations:
    """The revocations that count in the federation, by the lists that the coordinator has. Ends as `Asking.ask`."""
    revocations = Revocations(_authority(asking), asking.link.federation)
    revocations.take_each(_lists_in_force(asking))
    return revocations


def _lists_in_force(asking: Asking) -> Sequence[RevocationList]:
    return asking.ask(
        lambda channel: RevocationServiceStub(channel).ListRevocationLists, ListRevocationListsRequest()
    ).revocation_lists


def _authority(asking: Asking) -> bytes:
    """The certificates of the authority. Ends the command for a file without them."""
    path = asking.link.credentials.authority
    try:
        content = path.read_bytes()
        x509.load_pem_x509_certificates(content)
    except (OSError, ValueError) as error:
        raise NotDone([f"{path}: {error}"]) from error
    return content
