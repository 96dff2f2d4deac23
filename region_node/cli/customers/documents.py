"""`region-node documents`: what is on file, and the way there and back."""

import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import click
import grpc

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.clock import from_timestamp, to_timestamp
from gateway.errors import reason_name
from gateway.languages import in_language, translated
from gateway.terminal import print_table
from gateway.terms import region_name
from gateway.times import told_time
from region_node.cli.connection import Target, connection_options, patience_option
from region_node.cli.customers.document_transfer import (
    Downloading,
    Tell,
    Uploading,
    carried_out,
    media_type_of,
    request_id_of,
)
from region_node.cli.exits import REFUSED, leave
from region_node.cli.options import channel_option, json_option, print_message, requester_of, required_staff_option
from region_node.cli.progress import byte_progress
from region_node.cli.times import DayOrInstantType, InstantType, ending

_CALL_SECONDS = 20.0
_APPLICANTS = ("holder", "agent", "enterprise")
_REFUSED = api.UploadState.UPLOAD_STATE_REFUSED
R = TypeVar("R")

_number = click.option("--number", required=True, help="The customer's number, in any region.")


@click.group()
def documents() -> None:
    """Put documents on file, see what is there and what counts, and fetch them.

    A document is verified once, in any region, and counts for orders everywhere while it is fresh.
    """


@documents.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
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
@required_staff_option
@channel_option
@json_option
@patience_option
def upload(
    target: Target,
    file: Path,
    number: str,
    code: str,
    verified: datetime | None,
    expires: date | None,
    identity_number: str,
    request_id: str,
    staff_id: str,
    channel: str,
    as_json: bool,
    patience: float,
) -> None:
    """Put FILE (PDF, JPEG or PNG) on file as a document that was verified here.

    Run the same command again after whatever ended it: it goes on where the node is.

    \b
    Examples:
      region-node documents upload id.jpg --number +8613800138000 --code ID_ORIG --staff-id 4711
      region-node documents upload poa.pdf --number +8613800138000 --code POA --expires 2027-01-31 --staff-id 4711

    \b
    Exit codes:
      0  it is on file, or will be once the home region can be reached
      1  refused; the text says why
      2  the command line, the file or the credentials cannot be used; nothing was sent
      3  not known how far the node got, or it is away: run the same command again
    """
    try:
        content, written = file.read_bytes(), datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error
    named = api.DocumentUpload(
        number=number,
        code=code,
        media_type=media_type_of(content),
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        verify_time=to_timestamp(verified or written),
        identity_number=identity_number,
        requester=requester_of(staff_id, channel),
    )

    with byte_progress() as progress:
        task = progress.add_task(file.name, total=len(content))

        async def send(channel: grpc.aio.Channel, tell: Tell) -> api.UploadDocumentResponse:
            if expires is not None:
                named.expire_time.CopyFrom(to_timestamp(await ending(channel, expires)))
            named.request_id = request_id or request_id_of(named)
            call, first = DocumentServiceStub(channel).UploadDocument, api.UploadDocumentRequest(document=named)
            sending = Uploading(call, first, content, lambda done: progress.update(task, completed=done))
            return await sending.run(patience, tell)

        answer = carried_out(target, send)
    if answer.state == _REFUSED:
        problem, reason = in_language(answer.refused.message), reason_name(answer.refused.reason)
        leave(translated("Refused: {problem} ({reason})", problem=problem, reason=reason), REFUSED)
    if as_json:
        print_message(answer)
    elif answer.state == api.UploadState.UPLOAD_STATE_REGISTERED:
        click.echo(translated("On file as {id}.", id=answer.register_id))
    else:
        click.echo(translated("Taken in as {id}; the home region is being told.", id=answer.register_id))


@documents.command("list")
@connection_options
@_number
@required_staff_option
@channel_option
@json_option
def list_documents(target: Target, number: str, staff_id: str, channel: str, as_json: bool) -> None:
    """List what is on file for a customer anywhere in the federation.

    \b
    Example:
      region-node documents list --number +8613800138000 --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was sent
      3  the node or the home region is away: ask again
    """
    request = api.ListDocumentsRequest(number=number, requester=requester_of(staff_id, channel))
    answer = _asked(target, lambda stub: stub.ListDocuments(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(answer)
        return
    print_table(_titles(), [_row(each) for each in answer.documents])


@documents.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
@_number
@click.option("--document", "register_id", required=True, help="The document, as `list` names it.")
@required_staff_option
@channel_option
@patience_option
def get(
    target: Target, file: Path, number: str, register_id: str, staff_id: str, channel: str, patience: float
) -> None:
    """Fetch the content of a document to FILE; it is there when it is whole and has its hash.

    Of a customer of another region it is given only while an order about the number is under way that needs the
    document, or where the document was verified here, and only as the home region lets it. Run the same command again
    after whatever ended it: it goes on with FILE.part.

    \b
    Example:
      region-node documents get id.jpg --number +8613800138000 --document henan/crm/R17 --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused, or the content is not what was registered; the text says why
      2  the command line, the file or the credentials cannot be used; nothing was sent
      3  the node or another region is away: run the same command again
    """
    request = api.GetDocumentContentRequest(
        number=number, register_id=register_id, requester=requester_of(staff_id, channel)
    )
    with byte_progress() as progress:
        task = progress.add_task(file.name, total=None)

        async def fetch(channel: grpc.aio.Channel, tell: Tell) -> bool:
            def progressed(done: int) -> None:
                progress.update(task, completed=done, total=fetching.size)

            call = DocumentServiceStub(channel).GetDocumentContent
            fetching = Downloading(call, request, file, progressed)
            return await fetching.run(patience, tell)

        try:
            is_whole = carried_out(target, fetch)
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}") from error
    if not is_whole:
        leave(translated("The content is not what was registered; nothing was kept."), REFUSED)
    click.echo(str(file))


@documents.command()
@click.argument("business")
@connection_options
@_number
@click.option("--applicant", type=click.Choice(_APPLICANTS), default="holder", show_default=True, help="For whom.")
@click.option("--brings", multiple=True, metavar="CODE", help="What the applicant brings. May be given several times.")
@required_staff_option
@channel_option
@json_option
def check(
    target: Target,
    business: str,
    number: str,
    applicant: str,
    brings: Sequence[str],
    staff_id: str,
    channel: str,
    as_json: bool,
) -> None:
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
        applicant=Applicant.Value(f"APPLICANT_{applicant.upper()}"),
        documents=[Document(code=code, verifier=staff_id, verify_time=now, keyed_hash=bytes(32)) for code in brings],
        requester=requester_of(staff_id, channel),
    )
    answer = _asked(target, lambda stub: stub.CheckDocuments(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(answer)
    else:
        titles = [translated("material"), translated("from"), translated("verified"), translated("counts until")]
        rows = [
            (each.document.code, _origin(each), _told(each.document), told_time(each.counts_until))
            for each in answer.counting
        ]
        print_table(titles, rows)
        if not answer.register_asked:
            click.echo(translated("The home region's register could not be asked; more may be on file."), err=True)
        if answer.missing:
            click.echo(translated("Missing: {documents}", documents=", ".join(answer.missing)))
    if answer.missing:
        sys.exit(REFUSED)


@documents.command()
@click.argument("document")
@connection_options
@required_staff_option
@channel_option
@json_option
def withdraw(target: Target, document: str, staff_id: str, channel: str, as_json: bool) -> None:
    """Say that DOCUMENT, which was verified in this region, was found false: it counts nowhere from now on.

    \b
    Example:
      region-node documents withdraw henan/crm/R17 --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was sent
      3  not known whether it was done: say it again, a repeat changes nothing
    """
    request = api.WithdrawDocumentRequest(register_id=document, requester=requester_of(staff_id, channel))
    answer = _asked(target, lambda stub: stub.WithdrawDocument(request, timeout=_CALL_SECONDS))
    since = told_time(answer.withdraw_time)
    if as_json:
        print_message(answer)
    else:
        click.echo(translated("Withdrawn since {time}.", time=since))


@documents.command()
@connection_options
@required_staff_option
@channel_option
@json_option
def reuse(target: Target, staff_id: str, channel: str, as_json: bool) -> None:
    """Show, by business, for how many orders between this region and others no document was handed in again.

    \b
    Examples:
      region-node documents reuse --staff-id 4711
      region-node documents reuse --staff-id 4711 --json

    \b
    Exit codes:
      0  done
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was sent
      3  the node is away: ask again
    """
    request = api.GetDocumentReuseRequest(requester=requester_of(staff_id, channel))
    answer = _asked(target, lambda stub: stub.GetDocumentReuse(request, timeout=_CALL_SECONDS))
    counts: dict[str, list[int]] = {}
    for each in answer.reuse:
        found = counts.setdefault(each.business, [0, 0, 0])
        for index, count in enumerate((each.orders, each.with_papers, each.without_handing_in)):
            found[index] += count
    if as_json:
        names = ("orders", "with_papers", "without_handing_in")
        click.echo(json.dumps({business: dict(zip(names, row, strict=True)) for business, row in counts.items()}))
        return
    total = [sum(row[index] for row in counts.values()) for index in range(3)]
    titles = [
        translated("business"),
        translated("orders"),
        translated("with papers"),
        translated("none handed in"),
        translated("share"),
    ]
    rows = [*counts.items(), (translated("all"), total)]
    print_table(titles, [(name, *map(str, row), _share(row[2], row[1])) for name, row in rows])


def _asked(target: Target, ask: Callable[[DocumentServiceStub], Awaitable[R]]) -> R:
    """The answer to one call; leaves where there is none."""

    async def carry_out(channel: grpc.aio.Channel, _: Tell) -> R:
        return await ask(DocumentServiceStub(channel))

    return carried_out(target, carry_out)


def _titles() -> list[str]:
    return [
        translated("register id"),
        translated("material"),
        translated("verified by"),
        translated("verified"),
        translated("expires"),
        translated("state"),
    ]


def _row(document: api.RegisteredDocument) -> tuple[str, ...]:
    expires = from_timestamp(document.expire_time) if document.HasField("expire_time") else None
    state = translated("good")
    if document.HasField("withdraw_time"):
        state = translated("withdrawn")
    elif expires is not None and expires <= datetime.now(UTC):
        state = translated("expired")
    return (
        document.register_id,
        document.code,
        f"{document.region}/{document.verifier}",
        told_time(document.verify_time),
        "" if expires is None else told_time(expires),
        state,
    )


def _origin(counting: api.CountingDocument) -> str:
    if counting.document.register_id:
        return translated("on file, {region}", region=region_name(counting.region))
    return translated("brought")


def _told(document: Document) -> str:
    return f"{told_time(document.verify_time)} ({document.verifier})"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
