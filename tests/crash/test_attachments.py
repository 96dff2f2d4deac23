"""A file is attached to a complaint once, whatever is killed while that is done."""

import hashlib
from concurrent.futures import Future

import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.attachment_service_pb2 import AttachFileRequest, AttachFileResponse, AttachmentUpload
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceStub
from gateway.api.region.v1.document_service_pb2 import UploadState
from region_node.cli.imports.file_transfer import CHUNK, Uploading
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, HOME, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaints import complaint_of, file_complaint, filing, stored, version

pytestmark = pytest.mark.slow

PATIENCE = 60.0
NUMBER = number_of(903)  # of no other complaint
CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(2 * CHUNK)


def attaching(
    scene: Scene, ticket_id: str, region: str = HANDLING, certificate: str = f"{HANDLING}-{OPERATOR}"
) -> "Future[AttachFileResponse]":
    """Brings a file, again and again while the node is away, as the command does."""
    named = AttachmentUpload(
        request_id=ticket_id.replace("/", "-"),
        ticket_id=ticket_id,
        name="bill.png",
        media_type="image/png",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).digest(),
        requester=CLERK,
    )

    async def upload() -> AttachFileResponse:
        async with scene.federation.dial_region(region, certificate) as channel:
            call, first = AttachmentServiceStub(channel).AttachFile, AttachFileRequest(attachment=named)
            return await Uploading(call, first, CONTENT, lambda _: None).run(PATIENCE, lambda _: None)

    return scene.background.start(upload())


@pytest.mark.parametrize(("region", "point"), [(HANDLING, "D1.after-commit"), (HOME, "S9.after-commit")])
def test_a_file_is_attached_once_whoever_is_killed_about_the_commit(scene: Scene, region: str, point: str) -> None:
    ticket_id = scene.run(file_complaint(scene, filing(scene, f"attach-{point}", NUMBER))).ticket_id
    wait_until(lambda: scene.run(complaint_of(scene, ticket_id)).version == 1, CALL_SECONDS, "it is taken up")
    scene.arm(region, point)
    upload = attaching(scene, ticket_id)
    scene.require_killed(region)
    scene.restart(region)
    upload.result(PATIENCE)

    def state() -> int:
        return scene.handling.count("SELECT COALESCE(MAX(state), 0) FROM document_files WHERE ticket_id = ?", ticket_id)

    wait_until(lambda: state() == UploadState.UPLOAD_STATE_REGISTERED, PATIENCE, "the home region has it")
    (attachment,) = scene.run(complaint_of(scene, ticket_id)).attachments
    assert attachment.sha256 == hashlib.sha256(CONTENT).digest()
    done = "SELECT COUNT(*) FROM audit WHERE action = 'AttachFile' AND subject = ?"
    assert scene.handling.count(done, ticket_id) == 1
    assert scene.handling.open_envelopes(ticket_id) == []


@pytest.mark.parametrize(
    ("region", "point"),
    [
        (HOME, "D1.after-commit"),
        (HANDLING, "complaint-attachment-taken.before-commit"),
        (HANDLING, "S9.after-commit"),
        (HOME, "complaint-attachment-shared.before-commit"),
    ],
)
def test_a_file_of_a_work_item_is_in_the_case_and_in_the_other_item_once_whoever_is_killed(
    scene: Scene, region: str, point: str
) -> None:
    request = filing(scene, f"item-{point}", NUMBER, "BILL_VAS")  # two departments of the home region
    ticket_id = scene.run(file_complaint(scene, request)).ticket_id
    items = [f"{ticket_id}/{number}" for number in (1, 2)]
    for item in items:
        wait_until(lambda item=item: version(scene.handling, item) == 1, CALL_SECONDS, "it is taken up")  # type: ignore[misc]
    certificate = scene.federation.issue_staff(HOME, "wang").name
    scene.arm(region, point)
    scene.run(scene.federation.wait_joined((HANDLING, HOME)))
    upload = attaching(scene, items[0], HOME, certificate)
    scene.require_killed(region)
    scene.restart(region)
    upload.result(PATIENCE)
    for each in (ticket_id, *items):
        wait_until(lambda each=each: len(stored(scene.handling, each).attachments) == 1, PATIENCE, f"{each} has it")  # type: ignore[misc]
    for each in items:
        wait_until(lambda each=each: scene.handling.open_envelopes(each) == [], PATIENCE, "all was heard")  # type: ignore[misc]
        (attachment,) = stored(scene.home, each).attachments
        assert (attachment.region, attachment.sha256) == (HOME, hashlib.sha256(CONTENT).digest())
    shared = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND envelope_id LIKE ?"
    assert [scene.handling.count(shared, each, "%#attached%") for each in items] == [0, 1]
