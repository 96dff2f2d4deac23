"""The certificate by which a program of an administrator connects, renewed while the program runs."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import click
from cryptography import x509

from coordinator.cli.asking import Asking
from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest, RenewCertificateResponse
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.cli.exits import NotDone
from gateway.security.certificate_renewal import CertificateRenewal, NotRenewed, RenewalPorts
from gateway.security.identity import Identity, parse
from gateway.security.member_proofs import proof_of_member
from gateway.security.renewing import completed
from gateway.security.signing import RENEWAL
from gateway.security.tls import Credentials, CredentialsUnusable, RenewedCredentials
from gateway.time.clock import SystemClock
from gateway.wording.languages import translated


class OwnCertificate:
    """The pair as it was issued, and the one that the program renews, as a node does, in `renewed` of a directory."""

    def __init__(self, asking: Asking, directory: Path, process: int) -> None:
        """`process` is the number of this program among those with one certificate, each with a directory of its own.

        Ends the command for a certificate of no administrator.
        """
        clock, link = SystemClock(), asking.link
        credentials = RenewedCredentials.of(link.credentials, directory / "renewed")
        completed(credentials)
        self.asking = replace(asking, link=replace(link, credentials=credentials))
        """The same run of the command, by the pair in use: each call reads it anew."""
        try:
            identity = administrator(credentials, link.federation)
        except (CredentialsUnusable, ValueError) as error:
            raise NotDone([str(error)]) from error
        self._renewal = CertificateRenewal(
            RenewalPorts(
                credentials=credentials,
                identity=identity,
                process=process,
                prove=proof_of_member(credentials, clock, RENEWAL),
                authorities=lambda: x509.load_pem_x509_certificates(credentials.authority.read_bytes()),
                ask=self._ask,
                clock=clock,
            )
        )
        self._next = time.monotonic()

    def look(self) -> None:
        """Renews the pair once it is due, in as many looks as it takes. A lasting failure is a line in the log."""
        if time.monotonic() >= self._next:
            pause = asyncio.run(self._renewal.look())
            self._next = time.monotonic() + pause

    async def _ask(self, request: RenewCertificateRequest) -> RenewCertificateResponse:
        try:
            return await asyncio.to_thread(
                self.asking.ask, lambda channel: RenewalServiceStub(channel).RenewCertificate, request
            )
        except click.ClickException as error:
            raise NotRenewed(error.message, error.message) from error


def administrator(credentials: Credentials, federation: str) -> Identity:
    """The owner of the certificate. Ends the command for anybody else; raises ValueError or CredentialsUnusable."""
    (uri, *_) = (*credentials.names(), "")
    identity = parse(uri, federation)
    if identity.role != Role.ROLE_ADMIN:
        raise NotDone([translated("{member} is no administrator", member=identity.path)])
    return identity
