"""`region-node complaints attach` and `attachment`: files of complaints, there and back."""

import hashlib
from pathlib import Path

import click
import grpc

from gateway.api.region.v1 import attachment_service_pb2 as api
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceStub
from gateway.api.region.v1.document_service_pb2 import UploadState
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.cli.exits import REFUSED, leave
from gateway.languages import in_language, translated
from region_node.cli.connection import Target, connection_options, patience_option
from region_node.cli.imports.file_transfer import (
    Downloading,
    Tell,
    Uploading,
    carried_out,
    media_type_of,
    request_id_of,
)
from region_node.cli.options import staff_option
from region_node.cli.progress import byte_progress


@click.command()
@click.argument("docket")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
@click.option("--name", default="", help="What the file is called; as FILE unless given.")
@staff_option
@patience_option
def attach(target: Target, docket: str, file: Path, name: str, staff_id: str, patience: float) -> None:
    """Attach FILE (PDF, JPEG, PNG) to a complaint: in the region of first contact, or as staff of the responsible one.

    Run the same command again after whatever ended it: it goes on where the node is.

    \b
    Example:
      region-node complaints attach guangdong/20261210-17 bill.pdf --staff-id 4711

    \b
    Exit codes:
      0  it is attached, or will be once the responsible region can be reached
      1  refused; the text says why
      2  the command line, the file or the credentials cannot be used; nothing was sent
      3  not known how far the node got, or it is away: run the same command again
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error
    named = api.AttachmentUpload(
        docket=docket,
        name=name or file.name,
        media_type=media_type_of(content),
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        requester=_requester(staff_id),
    )
    named.request_id = request_id_of(named)
    with byte_progress() as progress:
        task = progress.add_task(file.name, total=len(content))

        async def send(channel: grpc.aio.Channel, tell: Tell) -> api.AttachFileResponse:
            call, first = AttachmentServiceStub(channel).AttachFile, api.AttachFileRequest(attachment=named)
            sending = Uploading(call, first, content, lambda done: progress.update(task, completed=done))
            return await sending.run(patience, tell)

        answer = carried_out(target, send)
    if answer.state == UploadState.UPLOAD_STATE_REFUSED:
        leave(translated("Refused: {problem}", problem=in_language(answer.refused.message)), REFUSED)
    if answer.state == UploadState.UPLOAD_STATE_REGISTERED:
        click.echo(translated("Attached as {id}.", id=answer.attachment_id))
    else:
        click.echo(translated("Taken in as {id}; the responsible region is being told.", id=answer.attachment_id))


@click.command()
@click.argument("docket")
@click.argument("attachment_id", metavar="ATTACHMENT")
@connection_options
@click.option(
    "--out", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file it goes to."
)
@staff_option
@patience_option
def attachment(target: Target, docket: str, attachment_id: str, file: Path, staff_id: str, patience: float) -> None:
    """Fetch what was attached to a complaint, in whichever region; it is in FILE when it is whole and has its hash.

    `show` names the attachments of a complaint. Run the same command again after whatever ended it: it goes on with
    FILE.part.

    \b
    Example:
      region-node complaints attachment guangdong/20261210-17 guangdong/crm/0f3b --out bill.pdf --staff-id 4711

    \b
    Exit codes:
      0  done
      1  refused, or the content is not what was attached; the text says why
      2  the command line, the file or the credentials cannot be used; nothing was sent
      3  the node or another region is away: run the same command again
    """
    request = api.GetAttachmentContentRequest(
        docket=docket, attachment_id=attachment_id, requester=_requester(staff_id)
    )
    with byte_progress() as progress:
        task = progress.add_task(file.name, total=None)

        async def fetch(channel: grpc.aio.Channel, tell: Tell) -> bool:
            def progressed(done: int) -> None:
                progress.update(task, completed=done, total=fetching.size)

            call = AttachmentServiceStub(channel).GetAttachmentContent
            fetching = Downloading(call, request, file, progressed)
            return await fetching.run(patience, tell)

        try:
            is_whole = carried_out(target, fetch)
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}") from error
    if not is_whole:
        leave(translated("The content is not what was attached; nothing was kept."), REFUSED)
    click.echo(str(file))


def _requester(staff_id: str) -> Requester:
    return Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER)
