"""`coordinator certificates`: an authority for federations that have none of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.security.authority import Authority
from gateway.security.identity import parse
from gateway.wording.languages import translated

_DIRECTORY = click.Path(path_type=Path, file_okay=False)
# A peer whose clock is a little behind would refuse a certificate that begins now.
_HEAD_START = timedelta(minutes=5)
_AUTHORITY_DAYS = 3650
_MEMBER_DAYS = 90


@click.group()
def certificates() -> None:
    """Make an authority, and issue certificates to members.

    For a demo or a trial. A federation with an authority of its own issues the same certificates there.
    """


@certificates.command("create-authority")
@click.argument("directory", type=_DIRECTORY)
@click.option("--federation", required=True, help="The trust domain, for example example.org.")
@click.option("--days", type=click.IntRange(min=1), default=_AUTHORITY_DAYS, show_default=True, help="Lifetime.")
def create_authority(directory: Path, federation: str, days: int) -> None:
    """Create the authority of a federation in DIRECTORY: authority.crt and authority.key.

    An authority that is already there is never replaced.

    \b
    Example:
      coordinator certificates create-authority authority --federation example.org
    """
    now = datetime.now(UTC)
    try:
        authority = Authority.create(federation, now - _HEAD_START, now + timedelta(days=days))
        authority.save(directory)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        translated(
            "The authority of {federation} is in {directory}. Guard authority.key; give away authority.crt.",
            federation=federation,
            directory=directory,
        )
    )


@certificates.command()
@click.argument("directory", type=_DIRECTORY)
@click.argument("uri")
@click.option("--out", type=_DIRECTORY, required=True, help="Where the files of the member go.")
@click.option("--days", type=click.IntRange(min=1), default=_MEMBER_DAYS, show_default=True, help="Lifetime.")
@click.option("--dns-name", "dns_names", multiple=True, help="A further DNS name of a server; may be repeated.")
def issue(directory: Path, uri: str, out: Path, days: int, dns_names: tuple[str, ...]) -> None:
    """Issue the certificates of the member URI with the authority in DIRECTORY.

    Writes authority.crt, tls.crt and tls.key; for a region also signing.crt and signing.key. Files already
    there are replaced; a running server shows the new TLS certificate to those who connect from then on.

    A system of a region that its node calls, a provider, gets the URI of its region with /provider/ and its name.

    \b
    Examples:
      coordinator certificates issue authority spiffe://example.org/region/sichuan --out sichuan
      coordinator certificates issue authority spiffe://example.org/region/sichuan/provider/network --out network
    """
    now = datetime.now(UTC)
    try:
        authority = Authority.load(directory)
        identity = parse(uri, authority.federation)
        valid_from = max(now - _HEAD_START, authority.certificate.not_valid_before_utc)
        issued = authority.issue(identity, valid_from, now + timedelta(days=days), dns_names)
        issued.write(out)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        translated(
            "The certificates of {uri} are in {directory}, valid for {days} days.",
            uri=identity.uri,
            directory=out,
            days=days,
        )
    )
