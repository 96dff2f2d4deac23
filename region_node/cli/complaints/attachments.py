"""`region-node complaints attach` and `attachment`: files of complaints, there and back."""

import hashlib
from pathlib import Path

import click

from gateway.api.region.v1 import attachment_service_pb2 as api
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceStub
from gateway.api.region.v1.document_service_pb2 import UploadState
from gateway.cli.exits import REFUSED, leave
from gateway.wording.languages import in_language, translated
from region_node.cli.asking import NODE, Asking
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
from region_node.cli.options import staff_option


@click.command()
@NODE.asking(
    staff_option,
    patience_option,
    exits=upload_exits("it is attached, or will be once the owner region can be reached"),
    with_json=False,
)
@click.argument("ticket_id")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", default="", help="What the file is called; as FILE unless given.")
def attach(asking: Asking, ticket_id: str, file: Path, name: str, patience: float) -> None:
    """Attach FILE (PDF, JPEG, PNG) to a complaint: in the origin region, or as staff of the responsible one.

    Run the same command again after whatever ended it: it goes on where the node is.

    \b
    Example:
      region-node complaints attach guangdong/20261210-17 bill.pdf --staff-id 4711
    """
    content = content_of(file)
    named = api.AttachmentUpload(
        ticket_id=ticket_id,
        name=name or file.name,
        media_type=media_type_of(content),
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        requester=asking.requester,
    )
    named.request_id = content_request_id(named)
    first = api.AttachFileRequest(attachment=named)
    answer = upload(
        asking.link, lambda channel: AttachmentServiceStub(channel).AttachFile, first, file, content, patience
    )
    if answer.state == UploadState.UPLOAD_STATE_REFUSED:
        leave(translated("Refused: {problem}", problem=in_language(answer.refused.message)), REFUSED)
    if answer.state == UploadState.UPLOAD_STATE_REGISTERED:
        click.echo(translated("Attached as {id}.", id=answer.attachment_id))
    else:
        click.echo(translated("Taken in as {id}; the owner region is being told.", id=answer.attachment_id))


@click.command()
@NODE.asking(
    staff_option,
    patience_option,
    exits=download_exits("refused, or the content is not what was attached; the text says why"),
    with_json=False,
)
@click.argument("ticket_id")
@click.argument("attachment_id", metavar="ATTACHMENT")
@click.option(
    "--out", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file it goes to."
)
def attachment(asking: Asking, ticket_id: str, attachment_id: str, file: Path, patience: float) -> None:
    """Fetch what was attached to a complaint, in whichever region; it is in FILE when it is whole and has its hash.

    `show` names the attachments of a complaint. Run the same command again after whatever ended it: it goes on with
    FILE.part.

    \b
    Example:
      region-node complaints attachment guangdong/20261210-17 guangdong/crm/0f3b --out bill.pdf --staff-id 4711
    """
    request = asking.filled(api.GetAttachmentContentRequest(ticket_id=ticket_id, attachment_id=attachment_id))
    if not download(
        asking.link, lambda channel: AttachmentServiceStub(channel).GetAttachmentContent, request, file, patience
    ):
        leave(translated("The content is not what was attached; nothing was kept."), REFUSED)
    click.echo(str(file))
