"""`coordinator administrators`: the certificates by which administrators connect."""

import time

import click
from cryptography import x509

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.own_certificate import administrator
from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest, RenewCertificateResponse
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.cli.exits import CannotReach, NotDone
from gateway.security.certificate_renewal import NotRenewed, install_answer
from gateway.security.member_proofs import proof_of_member
from gateway.security.renewal_proofs import proven_request
from gateway.security.renewing import RenewedFiles
from gateway.security.signing import RENEWAL
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import SystemClock
from gateway.wording.languages import translated
from gateway.wording.times import told_time

_WAIT, _MOST = 60, 1800  # seconds
_PAUSE = 1.0  # seconds between two questions


@click.group(epilog=EPILOG)
def administrators() -> None:
    """Renew the certificates by which administrators connect; the configuration says who signs it."""


@administrators.command(epilog=EPILOG)
@asks(with_json=False)
@click.option(
    "--wait", type=click.IntRange(0, _MOST), default=_WAIT, show_default=True, help="Seconds to wait at most."
)
def renew(asking: Asking, wait: int) -> None:
    """Renew your certificate: the next one has the same name, and a fresh key that is made here.

    It works while the present one is in force, and replaces tls.crt and tls.key of --credentials; the former one counts
    until its end. The issuing program of the administrators certifies the key (`coordinator enrolments renew`). The
    command continues where it was broken off. Let it run twice in the life of a certificate.

    \b
    Example:
      coordinator administrators renew
    """
    credentials, federation, clock = asking.link.credentials, asking.link.federation, SystemClock()
    files = RenewedFiles(credentials)
    try:
        with files.alone():
            files.complete()
            files.require_writable()
            identity = administrator(credentials, federation)
            prove = proof_of_member(credentials, clock, RENEWAL)
            request = proven_request(identity, 0, files.fresh_key(), prove, clock.now())
            answer = _answered(asking, request, wait)
            authorities = x509.load_pem_x509_certificates(credentials.authority.read_bytes())
            install_answer(files, request, answer, federation, authorities, clock.now())
        end = credentials.end(clock.now())
    except (OSError, ValueError, CredentialsUnusable, NotRenewed) as error:
        raise NotDone([str(error)]) from error
    told = translated("{member} has a new certificate, in force until {end}", member=identity.path, end=told_time(end))
    click.echo(told)


def _answered(asking: Asking, request: RenewCertificateRequest, wait: int) -> RenewCertificateResponse:
    """The answer of an issuing program. Ends the command without one in time."""
    end = time.monotonic() + wait
    while True:
        answer = asking.ask(lambda channel: RenewalServiceStub(channel).RenewCertificate, request)
        if answer.tls_certificate:
            return answer
        if time.monotonic() + _PAUSE > end:
            told = translated("no issuing program has answered yet: repeat the command, which continues then")
            raise CannotReach(told)
        time.sleep(_PAUSE)
