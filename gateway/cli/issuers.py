"""Commands about the directory of an issuer: the certificates that it issued, and those that it revokes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.cli.table import Table, TableColumn
from gateway.security.authority import CertificateSet
from gateway.security.identity import parse
from gateway.security.issuing import CertificateKind, IssuedCertificate, IssuerDirectory
from gateway.wording.languages import refusal, translated
from gateway.wording.times import told_time

DIRECTORY = click.Path(path_type=Path, file_okay=False)


class SerialType(click.ParamType[int]):
    """The serial number of a certificate: hexadecimal, with or without colons, as `openssl x509 -serial` prints it."""

    name = "hex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        if isinstance(value, int):
            return value
        try:
            return int(str(value).replace(":", ""), 16)
        except ValueError:
            self.fail(translated("{value} is no hexadecimal number", value=str(value)), param, ctx)


serial_option = click.option("--serial", "serials", type=SerialType(), multiple=True, help="A serial number, in hex.")


def opened(directory: Path) -> IssuerDirectory:
    """The issuer of a directory. Ends the command without one."""
    try:
        return IssuerDirectory(directory)
    except (OSError, ValueError) as error:
        raise click.ClickException(refusal(error)) from error


def issue_into(
    directory: Path,
    uri: str,
    out: Path,
    life: timedelta,
    dns_names: Sequence[str] = (),
    tls_life: timedelta | None = None,
) -> CertificateSet:
    """Issues the certificates of a member into a directory; ends the command with the reason where it cannot.

    The lives are those of `IssuerDirectory.issue`.
    """
    issuer = opened(directory)
    try:
        identity = parse(uri, issuer.authority.federation)
        issued = issuer.issue(identity, datetime.now(UTC), life, dns_names, tls_life)
        issued.write(out)
    except (OSError, ValueError) as error:
        raise click.ClickException(refusal(error)) from error
    return issued


def signed_list(directory: Path, uris: Sequence[str], serials: Sequence[int]) -> tuple[Path, RevocationList]:
    """Signs the list that revokes all certificates of some names, and some serial numbers; with its file.

    The list keeps all that it had. Ends the command for a name that nothing was issued to.
    """
    if not uris and not serials:
        raise click.UsageError(translated("name the URI of a member, or a certificate by --serial"))
    issuer, now = opened(directory), datetime.now(UTC)
    try:
        issued = issuer.issued()
        for uri in uris:
            if all(each.uri != uri for each in issued):
                raise click.ClickException(
                    translated(
                        "nothing in {directory} was issued to {uri}: name it by --serial", directory=directory, uri=uri
                    )
                )
        named = [each.serial for each in issued if each.uri in uris and each.end > now]
        return issuer.list_file, issuer.revoke([*named, *serials], now)
    except (OSError, ValueError) as error:
        raise click.ClickException(refusal(error)) from error


def show_issued(directory: Path, kind: str | None = None) -> None:
    """Prints what an issuer has issued, of one kind or of all. Ends the command where the directory cannot be read."""
    try:
        issued = [each for each in opened(directory).issued() if kind in (None, each.kind)]
    except (OSError, ValueError) as error:
        raise click.ClickException(refusal(error)) from error
    _issued(datetime.now(UTC)).show(issued, translated("Certificates"))


def state_word(end: datetime, now: datetime, *, is_revoked: bool) -> str:
    """The word for the state of a certificate at `now`."""
    if is_revoked:
        return translated("revoked")
    return translated("in force") if end > now else translated("ended")


def _issued(now: datetime) -> Table[IssuedCertificate]:
    kinds = {
        CertificateKind.TLS: translated("TLS"),
        CertificateKind.SIGNING: translated("signing"),
        CertificateKind.ISSUER: translated("issuer"),
        CertificateKind.OTHER: translated("other"),
    }
    return Table(
        TableColumn("uri", lambda each: each.uri),
        TableColumn("kind", lambda each: kinds[each.kind]),
        TableColumn("serial", lambda each: f"{each.serial:x}"),
        TableColumn("end", lambda each: told_time(each.end)),
        TableColumn("state", lambda each: state_word(each.end, now, is_revoked=each.is_revoked)),
    )
