"""`region-node documents`: the documents on file, their upload and download."""

import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.types.v1.types_pb2 import Document
from gateway.cli.exits import REFUSED, leave
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.errors import reason_name
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import material_name, region_name, required_line
from gateway.wording.times import told_if_set, told_time
from region_node.cli.asking import NODE, Asking, json_option, reads, repeats
from region_node.cli.connection import patience_option
from region_node.cli.imports.file_transfer import (
    content_of,
    content_request_id,
    download,
    download_exits,
    media_type_of,
    upload,
    upload_exits,
)
from region_node.cli.options import APPLICANTS, channel_option, required_staff_option
from region_node.cli.times import DayOrInstantType, ending

_REFUSED = api.UploadState.UPLOAD_STATE_REFUSED

_number = click.option("--number", required=True, help="The customer's number, in any region.")


@click.group()
def documents() -> None:
    """Put documents on file, see what is there and what counts, and fetch them.

    A document is verified once, in any region, and counts for orders everywhere while it is fresh.
    """


@documents.command("upload")
@NODE.asking(
    required_staff_option,
    channel_option,
    json_option,
    patience_option,
    exits=upload_exits("it is on file, or will be once the home region can be reached"),
    with_json=False,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_number
@click.option("--code", required=True, help="The material of the catalogue, for example ID_ORIG.")
@click.option(
    "--verified",
    type=InstantType(),
    help="When it was verified, as 2026-11-24T10:00+08:00; when FILE was written unless given.",
)
@click.option("--expires", type=DayOrInstantType(), help="Its last day, as 2030-01-31, or a time as above.")
@click.option("--identity-number", default="", help="The number that stands on an identity document.")
@click.option("--request-id", default="", help="An id of your own; made of the content and the options unless given.")
def upload_command(
    asking: Asking,
    file: Path,
    number: str,
    code: str,
    verified: datetime | None,
    expires: date | None,
    identity_number: str,
    patience: float,
) -> None:
    """Put FILE (PDF, JPEG or PNG) on file as a document that was verified here.

    Run the same command again after whatever ended it: it goes on where the node is.

    \b
    Examples:
      region-node documents upload id.jpg --number +8613800138000 --code ID_ORIG --staff-id 4711
      region-node documents upload poa.pdf --number +8613800138000 --code POA --expires 2027-01-31 --staff-id 4711
    """
    content = content_of(file)
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    named = api.DocumentUpload(
        number=number,
        code=code,
        media_type=media_type_of(content),
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        verify_time=to_timestamp(verified or written),
        identity_number=identity_number,
        requester=asking.requester,
        expire_time=None if expires is None else to_timestamp(ending(asking.link, expires)),
    )
    named.request_id = asking.given_request_id or content_request_id(named)
    first = api.UploadDocumentRequest(document=named)
    answer = upload(
        asking.link, lambda channel: DocumentServiceStub(channel).UploadDocument, first, file, content, patience
    )
    if answer.state == _REFUSED:
        problem, reason = in_language(answer.refused.message), reason_name(answer.refused.reason)
        leave(translated("Refused: {problem} ({reason})", problem=problem, reason=reason), REFUSED)
    asking.tell(answer, _print_upload)


@documents.command("list")
@reads(required_staff_option, channel_option, done="done")
@_number
def list_documents(asking: Asking, number: str) -> None:
    """List what is on file for a customer anywhere in the federation.

    \b
    Example:
      region-node documents list --number +8613800138000 --staff-id 4711
    """
    request = api.ListDocumentsRequest(number=number)
    answer = asking.ask_all(lambda channel: DocumentServiceStub(channel).ListDocuments, request)
    asking.show(answer, _DOCUMENTS, answer.documents)


@documents.command()
@NODE.asking(
    required_staff_option,
    channel_option,
    patience_option,
    exits=download_exits("refused, or the content is not what was registered; the text says why"),
    with_json=False,
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_number
@click.option("--document", "document_id", required=True, help="The document, as `list` names it.")
def get(asking: Asking, file: Path, number: str, document_id: str, patience: float) -> None:
    """Fetch the content of a document to FILE; it is there when it is whole and has its hash.

    Of a customer of another region it is given only while an order about the number is under way that needs the
    document, or where the document was verified here, and only as the home region lets it. Run the same command again
    after whatever ended it: it goes on with FILE.part.

    \b
    Example:
      region-node documents get id.jpg --number +8613800138000 --document henan/crm/R17 --staff-id 4711
    """
    request = asking.filled(api.GetDocumentContentRequest(number=number, document_id=document_id))
    if not download(
        asking.link, lambda channel: DocumentServiceStub(channel).GetDocumentContent, request, file, patience
    ):
        leave(translated("The content is not what was registered; nothing was kept."), REFUSED)
    click.echo(str(file))


@documents.command()
@NODE.asking(required_staff_option, channel_option)
@click.argument("business")
@_number
@click.option("--applicant", type=click.Choice(list(APPLICANTS)), default="holder", show_default=True, help="For whom.")
@click.option("--brings", multiple=True, metavar="CODE", help="What the applicant brings. May be given several times.")
def check(asking: Asking, business: str, number: str, applicant: str, brings: Sequence[str]) -> None:
    """Say which documents BUSINESS needs, which of those on file count and until when, and which are missing.

    \b
    Examples:
      region-node documents check SUSPEND --number +8613800138000 --staff-id 4711
      region-node documents check TERMINATE --number +8613800138000 --brings FACE --brings SIM --staff-id 4711

    \b
    Exit codes:
      0  nothing is missing
      1  something is missing, or refused; the text says what
      2  the command line or the credentials cannot be used; nothing was sent
      3  the node is away: ask again
    """
    now = to_timestamp(datetime.now(UTC))
    request = api.CheckDocumentsRequest(
        business=business,
        number=number,
        applicant=APPLICANTS[applicant],
        documents=[
            Document(code=code, verifier=asking.staff_id, verify_time=now, keyed_hash=bytes(32)) for code in brings
        ],
    )
    answer = asking.ask(lambda channel: DocumentServiceStub(channel).CheckDocuments, request)
    asking.tell(answer, _print_counting)
    if answer.missing:
        sys.exit(REFUSED)


@documents.command()
@repeats(required_staff_option, channel_option)
@click.argument("document")
def withdraw(asking: Asking, document: str) -> None:
    """Say that DOCUMENT, which was verified in this region, was found false: it counts nowhere from now on.

    \b
    Example:
      region-node documents withdraw henan/crm/R17 --staff-id 4711
    """
    request = api.WithdrawDocumentRequest(document_id=document)
    answer = asking.ask(lambda channel: DocumentServiceStub(channel).WithdrawDocument, request)
    asking.say(answer, lambda: translated("Withdrawn since {time}.", time=told_time(answer.withdraw_time)))


@documents.command()
@reads(required_staff_option, channel_option, done="done")
def reuse(asking: Asking) -> None:
    """Show, by business, for how many orders between this region and others no document was handed in again.

    \b
    Examples:
      region-node documents reuse --staff-id 4711
      region-node documents reuse --staff-id 4711 --json
    """
    request = api.GetDocumentReuseRequest()
    answer = asking.ask(lambda channel: DocumentServiceStub(channel).GetDocumentReuse, request)
    counts: dict[str, list[int]] = {}
    for each in answer.reuse:
        found = counts.setdefault(each.business, [0, 0, 0])
        for index, count in enumerate((each.orders, each.with_papers, each.without_handing_in)):
            found[index] += count
    if asking.as_json:
        names = ("orders", "with_papers", "without_handing_in")
        click.echo(json.dumps({business: dict(zip(names, row, strict=True)) for business, row in counts.items()}))
        return
    total = [sum(row[index] for row in counts.values()) for index in range(3)]
    _REUSE.show([*counts.items(), (translated("all"), total)])


def _print_upload(answer: api.UploadDocumentResponse) -> None:
    if answer.state == api.UploadState.UPLOAD_STATE_REGISTERED:
        click.echo(translated("On file as {id}.", id=answer.document_id))
    else:
        click.echo(translated("Taken in as {id}; the home region is being told.", id=answer.document_id))


def _print_counting(answer: api.CheckDocumentsResponse) -> None:
    _COUNTING.show(answer.counting)
    if not answer.register_asked:
        click.echo(translated("The home region's register could not be asked; more may be on file."), err=True)
    if answer.missing:
        click.echo(translated("Missing: {documents}", documents=enumerated(map(required_line, answer.missing))))


def _state(document: api.RegisteredDocument) -> str:
    if document.HasField("withdraw_time"):
        return translated("withdrawn")
    if document.HasField("expire_time") and from_timestamp(document.expire_time) <= datetime.now(UTC):
        return translated("expired")
    return translated("good")


def _origin(counting: api.CountingDocument) -> str:
    if counting.document.document_id:
        return translated("on file, {region}", region=region_name(counting.region))
    return translated("brought")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


_DOCUMENTS = Table[api.RegisteredDocument](
    TableColumn("document id", lambda each: each.document_id),
    TableColumn("material", lambda each: material_name(each.code)),
    TableColumn("verified by", lambda each: f"{each.region}/{each.verifier}"),
    TableColumn("verified at", lambda each: told_time(each.verify_time)),
    TableColumn("expires", lambda each: told_if_set(each.expire_time)),
    TableColumn("state", _state),
)
_COUNTING = Table[api.CountingDocument](
    TableColumn("material", lambda each: material_name(each.document.code)),
    TableColumn("from", _origin),
    TableColumn("verified at", lambda each: f"{told_time(each.document.verify_time)} ({each.document.verifier})"),
    TableColumn("counts until", lambda each: told_time(each.expire_time)),
)
_REUSE = Table[tuple[str, list[int]]](
    TableColumn("business", lambda each: each[0]),
    TableColumn("orders", lambda each: str(each[1][0])),
    TableColumn("with papers", lambda each: str(each[1][1])),
    TableColumn("none handed in", lambda each: str(each[1][2])),
    TableColumn("share", lambda each: _share(each[1][2], each[1][1])),
)
