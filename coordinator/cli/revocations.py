"""`coordinator revocations`: lists of revoked certificates, put in force and shown."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from cryptography import x509

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled
from gateway.api.coordinator.v1 import revocation_service_pb2 as contract
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.cli.exits import NotDone
from gateway.cli.table import Table, TableColumn
from gateway.process.files import replace_file
from gateway.security.issuing import list_as_pem, read_list
from gateway.wording.languages import translated
from gateway.wording.times import told_time

_PUBLIC = 0o644


@click.group()
def revocations() -> None:
    """Put lists of revoked certificates in force, and show them."""


@revocations.command(epilog=EPILOG)
@asks()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def publish(asking: Asking, file: Path) -> None:
    """Put the list in FILE in force, at every server of the federation within seconds.

    `coordinator certificates revoke` signs such a list, as does any authority in the form of RFC 5280 with a CRL
    number. A later list needs all that was on the former ones.

    \b
    Example:
      coordinator revocations publish authority/revoked.crl
    """
    try:
        told = read_list(file)
    except (OSError, ValueError) as error:
        raise NotDone([f"{file}: {error}"]) from error
    request = contract.PublishRevocationListRequest(revocation_list=told)
    response = asking.ask(lambda channel: RevocationServiceStub(channel).PublishRevocationList, request)
    asking.say(
        response,
        lambda: translated("{file} is in force at the coordinators, and at each node that follows one", file=file),
    )


@revocations.command("list", epilog=EPILOG)
@asks()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Writes each list into this directory: an issuer that has lost its own goes on from there.",
)
def list_revocations(asking: Asking, out: Path | None) -> None:
    """List the revocation lists in force, one for each issuer.

    \b
    Example:
      coordinator revocations list --out lists
    """
    request = contract.ListRevocationListsRequest()
    response = asking.ask(lambda channel: RevocationServiceStub(channel).ListRevocationLists, request)
    try:
        rows = [_row(each) for each in response.revocation_lists]
    except (ValueError, x509.ExtensionNotFound) as error:
        raise NotDone([translated("a list of the coordinator cannot be read: {problem}", problem=error)]) from error
    asking.show(response, _LISTS, rows, titled(translated("Revocation lists")))
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            for number, each in enumerate(response.revocation_lists):
                replace_file(out / f"{number}.crl", list_as_pem(each), _PUBLIC)
        except OSError as error:
            raise NotDone([f"{out}: {error.strerror}"]) from error


@dataclass(frozen=True)
class _Row:
    issuer: str
    number: int
    revoked: int
    time: datetime


def _row(told: RevocationList) -> _Row:
    crl = x509.load_der_x509_crl(told.crl)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return _Row(crl.issuer.rfc4514_string(), number, len(crl), crl.last_update_utc)


_LISTS = Table[_Row](
    TableColumn("issuer", lambda each: each.issuer),
    TableColumn("number", lambda each: str(each.number)),
    TableColumn("revoked", lambda each: str(each.revoked)),
    TableColumn("time", lambda each: told_time(each.time)),
)
