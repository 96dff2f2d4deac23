"""`coordinator certificates`: an authority for federations that have none of their own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from coordinator.cli.lives import lives, lives_options
from gateway.cli.issuers import DIRECTORY, issue_into, opened, serial_option, show_issued, signed_list
from gateway.security.authority import AUTHORITY_KEY, ISSUER_KEY, Authority, key_in_token
from gateway.security.issuers import COORDINATORS, NODES
from gateway.security.issuing import HEAD_START, CertificateKind
from gateway.wording.languages import refusal, translated
from gateway.wording.times import told_time

_AUTHORITY_DAYS = 3650
_ISSUER_DAYS = 365


@click.group()
def certificates() -> None:
    """Make an authority, and issue certificates to members.

    For a demo or a trial. A federation with an authority of its own issues the same certificates there.
    """


@certificates.command("create-authority")
@click.argument("directory", type=DIRECTORY)
@click.option("--federation", required=True, help="The trust domain, for example example.org.")
@click.option("--days", type=click.IntRange(min=1), default=_AUTHORITY_DAYS, show_default=True, help="Lifetime.")
def create_authority(directory: Path, federation: str, days: int) -> None:
    """Create the authority of a federation in DIRECTORY: authority.crt and authority.key.

    An authority that is already there is never replaced. An authority.key that names a key in a token (RFC 7512) stays,
    and the authority is that of the token.

    \b
    Example:
      coordinator certificates create-authority authority --federation example.org
    """
    now = datetime.now(UTC)
    try:
        key = key_in_token(directory / AUTHORITY_KEY)
        authority = Authority.create(federation, now - HEAD_START, now + timedelta(days=days), key)
        authority.save(directory)
    except (ValueError, OSError) as error:
        raise click.ClickException(refusal(error)) from error
    click.echo(
        translated(
            "The authority of {federation} is in {directory}. Guard authority.key; give away authority.crt.",
            federation=federation,
            directory=directory,
        )
    )


@certificates.command()
@click.argument("directory", type=DIRECTORY)
@click.argument("uri")
@click.option("--out", type=DIRECTORY, required=True, help="Where the files of the member go.")
@lives_options
@click.option("--dns-name", "dns_names", multiple=True, help="A further DNS name of a server; may be repeated.")
def issue(
    directory: Path, uri: str, out: Path, days: int | None, tls_hours: float | None, dns_names: tuple[str, ...]
) -> None:
    """Issue the certificates of the member URI with the authority in DIRECTORY.

    Writes authority.crt, tls.crt and tls.key; for a region also signing.crt and signing.key. Files already
    there are replaced; a running server shows the new TLS certificate to those who connect from then on.

    A system of a region that its node calls, a provider, gets the URI of its region with /provider/ and its name.
    The issuer of coordinators in place of the authority gives a coordinator or an administrator a certificate, too.

    \b
    Examples:
      coordinator certificates issue authority spiffe://example.org/region/sichuan --out sichuan
      coordinator certificates issue authority spiffe://example.org/region/sichuan/provider/network --out network
    """
    life, tls_life = lives(days, tls_hours)
    issued = issue_into(directory, uri, out, life, dns_names, tls_life)
    click.echo(
        translated(
            "The certificates of {uri} are in {directory}; that for TLS is in force until {end}.",
            uri=uri,
            directory=out,
            end=told_time(issued.tls.certificate.not_valid_after_utc),
        )
    )


@certificates.command("issue-issuer")
@click.argument("directory", type=DIRECTORY)
@click.argument("region")
@click.option("--out", type=DIRECTORY, required=True, help="Where the files of the issuer go.")
@click.option("--days", type=click.IntRange(min=1), default=_ISSUER_DAYS, show_default=True, help="Lifetime.")
def issue_issuer(directory: Path, region: str, out: Path, days: int) -> None:
    """Make the issuer of REGION, which certifies the operators and staff of that region and nobody else.

    Writes authority.crt, issuer.crt and issuer.key; an issuer that is already there is never replaced. An issuer.key
    that names a key in a token stays. The region uses it by `region-node credentials`. Upgrade every member first: an
    older one does not look at the region of an issuer.

    \b
    Example:
      coordinator certificates issue-issuer authority sichuan --out sichuan-issuer
    """
    now, authority = datetime.now(UTC), opened(directory)
    try:
        valid_from = max(now - HEAD_START, authority.authority.certificate.not_valid_before_utc)
        key = key_in_token(out / ISSUER_KEY)
        issuer = authority.authority.issue_issuer(region, valid_from, now + timedelta(days=days), key)
        issuer.save(out)
        authority.keep(issuer.certificate)
    except (ValueError, OSError) as error:
        raise click.ClickException(refusal(error)) from error
    click.echo(
        translated(
            "The issuer of {region} is in {directory}, valid for {days} days. Guard issuer.key.",
            region=region,
            directory=out,
            days=days,
        )
    )


@certificates.command("issue-node-issuer")
@click.argument("directory", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="Where the files of the issuer go.")
@click.option("--days", type=click.IntRange(min=1), default=_ISSUER_DAYS, show_default=True, help="Lifetime.")
def issue_node_issuer(directory: Path, out: Path, days: int) -> None:
    """Make the issuer by which the nodes of regions renew their TLS certificates, and nobody else.

    It signs no signing certificate, and no operator, member of staff, coordinator or administrator. The authority in
    DIRECTORY goes back to its safe; `coordinator enrolments renew` works with the issuer. An issuer.key that names a
    key in a token stays. Upgrade every member first: an older one believes no node by it.

    \b
    Example:
      coordinator certificates issue-node-issuer authority --out node-issuer
    """
    _issue_renewing(NODES, directory, out, days)
    click.echo(
        translated(
            "The issuer of nodes is in {directory}, valid for {days} days. Guard issuer.key.", directory=out, days=days
        )
    )


@certificates.command("issue-coordinator-issuer")
@click.argument("directory", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="Where the files of the issuer go.")
@click.option("--days", type=click.IntRange(min=1), default=_ISSUER_DAYS, show_default=True, help="Lifetime.")
def issue_coordinator_issuer(directory: Path, out: Path, days: int) -> None:
    """Make the issuer by which coordinators and administrators renew their TLS certificates, and nobody else.

    It signs no node, no operator and no member of staff. A stolen one makes administrators: keep it on another machine
    than the coordinators, and the issuer of nodes apart from it. Otherwise as `issue-node-issuer`.

    \b
    Example:
      coordinator certificates issue-coordinator-issuer authority --out coordinator-issuer
    """
    _issue_renewing(COORDINATORS, directory, out, days)
    click.echo(
        translated(
            "The issuer of coordinators and administrators is in {directory}, valid for {days} days. Guard issuer.key.",
            directory=out,
            days=days,
        )
    )


def _issue_renewing(of: str, directory: Path, out: Path, days: int) -> None:
    now, authority = datetime.now(UTC), opened(directory)
    try:
        valid_from = max(now - HEAD_START, authority.authority.certificate.not_valid_before_utc)
        key = key_in_token(out / ISSUER_KEY)
        issuer = authority.authority.issue_renewing_issuer(of, valid_from, now + timedelta(days=days), key)
        issuer.save(out)
        authority.keep(issuer.certificate)
    except (ValueError, OSError) as error:
        raise click.ClickException(refusal(error)) from error


@certificates.command("list")
@click.argument("directory", type=DIRECTORY)
@click.option("--kind", type=click.Choice([each.value for each in CertificateKind]), help="Only this kind.")
def list_issued(directory: Path, kind: str | None) -> None:
    """List the certificates that the authority in DIRECTORY has issued, by their end.

    The kind is what a certificate itself says: for TLS, for the signatures of a region, or of an issuer.

    \b
    Examples:
      coordinator certificates list authority
      coordinator certificates list authority --kind signing
    """
    show_issued(directory, kind)


@certificates.command()
@click.argument("directory", type=DIRECTORY)
@click.argument("uris", nargs=-1, metavar="[URI]...")
@serial_option
def revoke(directory: Path, uris: Sequence[str], serials: Sequence[int]) -> None:
    """Sign the list that revokes the certificates of URI, or single ones, into DIRECTORY/revoked.crl.

    The URI of a region means its own certificates and its issuers, and with an issuer all that it has issued. Nothing
    is in force before `coordinator revocations publish`.

    \b
    Examples:
      coordinator certificates revoke authority spiffe://example.org/region/sichuan/operator/counter
      coordinator certificates revoke authority --serial 3f2a0c
    """
    file, _ = signed_list(directory, uris, serials)
    click.echo(translated("{file} is signed. Now: coordinator revocations publish {file}", file=file))
