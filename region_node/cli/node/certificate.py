"""`region-node certificate`: the way back for a node whose certificate for TLS has ended."""

from datetime import datetime
from typing import BinaryIO

import click
from cryptography import x509

from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest, RenewCertificateResponse
from gateway.cli.exits import NotDone
from gateway.security.certificate_renewal import NotRenewed, install_answer
from gateway.security.enrolling import UNREADABLE
from gateway.security.renewal_proofs import proof_of_region, proven_request
from gateway.security.renewing import RenewedFiles
from gateway.security.signing import Signer
from gateway.security.tls import CredentialsUnusable, RenewedCredentials
from gateway.settings import Sources
from gateway.time.clock import SystemClock
from gateway.values import base64url
from gateway.wording.languages import refusal, translated
from gateway.wording.times import told_time
from region_node.cli.node.config import REGION_NODE
from region_node.node.settings import RegionSettings


@click.group()
def certificate() -> None:
    """Bring a node back whose certificate for TLS has ended: request another one, and install it.

    A node that serves renews its certificate by itself. One that was away for longer than the life of its certificate
    reaches no coordinator any more, so people bring its request, signed by its region, to an administrator.
    """


@certificate.command()
@REGION_NODE.settings_options
def request(sources: Sources) -> None:
    """Make a fresh key, and print the request for its certificate, which the region's signing key signs.

    Run it on the machine of the node, as the user of its process. The key stays there. The request is no secret, and
    counts for an hour: an administrator certifies it by `coordinator enrolments certify`.

    \b
    Example:
      region-node certificate request --settings region-node.toml > request.txt

    \b
    Exit codes: 0 made, 1 not possible, and the text says why, 2 wrong usage or settings.
    """
    settings = REGION_NODE.settings(sources)
    try:
        asked = _asked(settings, RenewedFiles(_own(settings).renewed), SystemClock().now())
    except (OSError, ValueError) as error:
        raise NotDone([refusal(error)]) from error
    click.echo(base64url.encoded(asked.SerializeToString()))


@certificate.command()
@REGION_NODE.settings_options
@click.argument("file", type=click.File("rb"))
def install(sources: Sources, file: BinaryIO) -> None:
    """Install the certificate in FILE that answers the last request; - reads it as input.

    A process that serves shows it at once; any other one starts with it. From then on it renews by itself.

    \b
    Example:
      region-node certificate install certificate.pem --settings region-node.toml

    \b
    Exit codes: 0 installed, 1 not possible, and the text says why, 2 wrong usage or settings.
    """
    settings, now = REGION_NODE.settings(sources), SystemClock().now()
    own, answer = _own(settings), RenewCertificateResponse(tls_certificate=file.read())
    files = RenewedFiles(own.renewed)
    try:
        authorities = x509.load_pem_x509_certificates(settings.credentials.authority.read_bytes())
        install_answer(files, _asked(settings, files, now), answer, settings.federation, authorities, now)
        end = own.end(now)
    except (OSError, CredentialsUnusable, NotRenewed, *UNREADABLE) as error:
        raise NotDone([translated("the certificate cannot be used: {problem}", problem=refusal(error))]) from error
    member = settings.identity.path
    click.echo(translated("{member} has a new certificate, in force until {end}", member=member, end=told_time(end)))


def _own(settings: RegionSettings) -> RenewedCredentials:
    """Ends the command for a node that renews nothing."""
    own = settings.own_credentials
    if not isinstance(own, RenewedCredentials):
        raise NotDone([translated("renew_certificate is false: the authority issues another certificate")])
    return own


def _asked(settings: RegionSettings, files: RenewedFiles, now: datetime) -> RenewCertificateRequest:
    """The request for the fresh key, signed anew. Raises OSError or ValueError."""
    prove = proof_of_region(Signer.load(settings.signing.key), settings.signing.certificate.read_bytes())
    return proven_request(settings.identity, settings.number, files.fresh_key(), prove, now)
