"""`region-node credentials`: certificates that a region issues to its operators and staff, and their statements."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.cli.exits import CannotReach, NotDone
from gateway.cli.issuers import DIRECTORY, issue_into, serial_option, show_issued, signed_list
from gateway.errors import Refused, Unreachable
from gateway.process.files import replace_file
from gateway.rpc.channels import Dialer, invoke
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import server_name
from gateway.security.staff_proofs import LONGEST_STATEMENT, statement_for
from gateway.security.tls import Credentials, CredentialsUnusable
from gateway.settings import Sources
from gateway.time.clock import SystemClock
from gateway.wording.languages import refusal, translated
from region_node.cli.node.config import REGION_NODE
from region_node.node.settings import RegionSettings

_HOURS = 168
_MINUTES = 5
_MOST_MINUTES = int(LONGEST_STATEMENT.total_seconds() // 60)
_SECONDS = 5.0  # for the answer of one coordinator

_hours_option = click.option("--hours", type=click.IntRange(min=1), default=_HOURS, show_default=True, help="Lifetime.")
_issuer = click.argument("issuer", type=DIRECTORY)


@click.group()
def credentials() -> None:
    """Issue, renew and revoke the certificates of the region's operators and staff, and make statements by them.

    ISSUER is the directory that `coordinator certificates issue-issuer` has made for the region.
    """


@credentials.command()
@_issuer
@click.argument("uri")
@click.option("--out", type=DIRECTORY, required=True, help="Where the files go.")
@_hours_option
def issue(issuer: Path, uri: str, out: Path, hours: int) -> None:
    """Issue a certificate to the operator system or member of staff URI.

    Writes authority.crt, tls.crt with the issuer behind it, and tls.key with mode 0600.

    \b
    Example:
      region-node credentials issue issuer spiffe://example.org/region/sichuan/staff/wang --out wang --hours 12
    """
    issue_into(issuer, uri, out, timedelta(hours=hours))
    _tell_issued(uri, out, hours)


@credentials.command()
@_issuer
@click.argument("directory", type=DIRECTORY)
@_hours_option
def renew(issuer: Path, directory: Path, hours: int) -> None:
    """Issue the certificate in DIRECTORY anew, with a new key, in place of the former files.

    Programs take replaced files without a restart. Renew after two thirds of the life, for example by a timer.

    \b
    Example:
      region-node credentials renew issuer wang --hours 12
    """
    certificate = directory / TLS_CERTIFICATE
    try:
        uris = Credentials(certificate, certificate, certificate).names()
    except CredentialsUnusable as error:
        raise click.ClickException(str(error)) from error
    uri = "".join(uris[:1])
    issue_into(issuer, uri, directory, timedelta(hours=hours))
    _tell_issued(uri, directory, hours)


@credentials.command()
@click.argument("operator")
@click.option(
    "--credentials",
    "own",
    required=True,
    type=DIRECTORY,
    envvar="CROSSREGION_CREDENTIALS",
    show_envvar=True,
    help="The directory with tls.crt and tls.key of the member of staff.",
)
@click.option(
    "--minutes",
    type=click.IntRange(1, _MOST_MINUTES),
    default=_MINUTES,
    show_default=True,
    help="Lifetime.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output without it.")
def statement(operator: str, own: Path, minutes: int, out: Path | None) -> None:
    """Make a statement that the member of staff acts through the system OPERATOR.

    Whoever has it acts in their name through that system, at the node of their region, until it ends. The system sends
    it with each call, `authorization: Bearer`; commands take it by --staff-proof.

    \b
    Example:
      region-node credentials statement counter --credentials wang --out wang.statement
    """
    files = Credentials(own / AUTHORITY_CERTIFICATE, own / TLS_CERTIFICATE, own / TLS_KEY)
    try:
        token = statement_for(files, operator, SystemClock().now(), timedelta(minutes=minutes))
        if out is None:
            click.echo(token)
            return
        replace_file(out, f"{token}\n".encode())
    except (CredentialsUnusable, OSError, ValueError) as error:
        raise click.ClickException(refusal(error)) from error
    click.echo(translated("The statement is in {file}, valid for {minutes} minutes.", file=out, minutes=minutes))


@credentials.command("list")
@_issuer
def list_issued(issuer: Path) -> None:
    """List the certificates that ISSUER has issued, by their end.

    \b
    Example:
      region-node credentials list issuer
    """
    show_issued(issuer)


@credentials.command()
@_issuer
@click.argument("uris", nargs=-1, metavar="[URI]...")
@serial_option
@REGION_NODE.settings_options
def revoke(sources: Sources, issuer: Path, uris: Sequence[str], serials: Sequence[int]) -> None:
    """Revoke the certificates of URI, or single ones, and publish the list.

    Every server of the federation refuses them within seconds, and ends their open calls. The list stands in ISSUER,
    too: where no coordinator answers, repeat the command.

    \b
    Example:
      region-node credentials revoke issuer spiffe://example.org/region/sichuan/staff/wang \\
        --settings region-node.toml

    \b
    Exit codes: 0 in force, 1 refused, and the text says why, 2 wrong usage or settings, 3 no coordinator answers.
    """
    settings = REGION_NODE.settings(sources)
    file, told = signed_list(issuer, uris, serials)
    try:
        asyncio.run(_publish(settings, PublishRevocationListRequest(revocation_list=told)))
    except (Refused, CredentialsUnusable) as error:
        raise NotDone([refusal(error)]) from error
    except Unreachable as error:
        problem = translated(
            "{file} is signed and not in force, because no coordinator answers ({problem}): repeat the command",
            file=file,
            problem=error,
        )
        raise CannotReach(problem) from error
    click.echo(translated("{file} is in force at the coordinators, and at each node that follows one", file=file))


async def _publish(settings: RegionSettings, request: PublishRevocationListRequest) -> None:
    """Publishes at the first coordinator that answers. Raises Refused, Unreachable or CredentialsUnusable."""
    dialer = Dialer(settings.own_credentials, SystemClock())
    name = server_name(Role.ROLE_COORDINATOR, "", settings.federation)
    failure = Unreachable("no coordinator is known")
    for endpoint in settings.coordinators:
        async with dialer.dial(endpoint, name) as channel:
            try:
                await invoke(RevocationServiceStub(channel).PublishRevocationList, request, _SECONDS)
            except Unreachable as error:
                failure = error
            else:
                return
    raise failure


def _tell_issued(uri: str, out: Path, hours: int) -> None:
    click.echo(
        translated(
            "The certificate of {uri} is in {directory}, valid for {hours} hours.", uri=uri, directory=out, hours=hours
        )
    )
