"""Crash points D0 to D3: a document comes in, and its registration goes home. Nothing twice, nothing half."""

import hashlib
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.document_service_pb2 import (
    DocumentUpload,
    GetDocumentContentRequest,
    UploadDocumentRequest,
    UploadDocumentResponse,
    UploadState,
)
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.time.clock import to_timestamp
from region_node.cli.imports.file_transfer import CHUNK, Uploading, content_request_id
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, HOME, number_of
from tests.crash.scene import Scene

PATIENCE = 60.0
CHUNKS = 5
NUMBER = number_of(0)  # a customer whom no order is about
REGISTERED = UploadState.UPLOAD_STATE_REGISTERED


class Scan:
    """A document that is brought to the origin region, as the command brings it."""

    def __init__(self, scene: Scene, mark: str) -> None:
        self._scene = scene
        filling = hashlib.shake_256(f"{scene.engine}{mark}".encode()).digest(CHUNKS * CHUNK - 9)
        self.content = b"\x89PNG\r\n\x1a\n" + filling
        self._named = DocumentUpload(
            number=NUMBER,
            code="ID_ORIG",
            media_type="image/png",
            size=len(self.content),
            sha256=hashlib.sha256(self.content).digest(),
            verify_time=to_timestamp(datetime.now(UTC)),
            requester=CLERK,
        )
        self._named.request_id = content_request_id(self._named)
        self.document_id = f"{HANDLING}/{OPERATOR}/{self._named.request_id}"

    def start(self) -> "Future[UploadDocumentResponse]":
        """Brings it, again and again while the node is away."""
        return self._scene.background.start(self._upload())

    def read(self) -> bytes:
        """The content from the origin region."""
        return self._scene.background.run(self._read())

    def chunks(self) -> int:
        """How many pieces are stored."""
        return self._scene.handling.count(
            "SELECT COUNT(*) FROM document_chunks WHERE document_id = ?", self.document_id
        )

    def state(self) -> int:
        """How the upload stands; 0 where there is none."""
        return self._scene.handling.count(
            "SELECT COALESCE(MAX(state), 0) FROM document_files WHERE document_id = ?", self.document_id
        )

    def registered(self) -> int:
        """How many rows the home region's register has of it."""
        return self._scene.home.count("SELECT COUNT(*) FROM documents WHERE document_id = ?", self.document_id)

    async def _upload(self) -> UploadDocumentResponse:
        async with self._scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
            uploading = Uploading(
                DocumentServiceStub(channel).UploadDocument,
                UploadDocumentRequest(document=self._named),
                self.content,
                lambda _: None,
            )
            return await uploading.run(PATIENCE, lambda _: None)

    async def _read(self) -> bytes:
        request = GetDocumentContentRequest(number=NUMBER, document_id=self.document_id, requester=CLERK)
        async with self._scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
            call = DocumentServiceStub(channel).GetDocumentContent(request, timeout=CALL_SECONDS)
            return b"".join([piece.data async for piece in call])


def require_once(scene: Scene, scan: Scan, upload: "Future[UploadDocumentResponse]") -> None:
    """Waits until the document is registered and proves that it was once, and whole."""
    upload.result(PATIENCE)
    wait_until(lambda: scan.state() == REGISTERED, PATIENCE, "the registration is settled")
    assert scan.registered() == 1
    assert scan.chunks() == CHUNKS
    assert scan.read() == scan.content
    done = "SELECT COUNT(*) FROM audit WHERE action = 'UploadDocument' AND subject = ?"
    assert scene.handling.count(done, scan.document_id) == 1
    noted = "SELECT COUNT(*) FROM audit WHERE action = 'RegisterDocument' AND detail LIKE ?"
    assert scene.home.count(noted, f"%{scan.document_id}%") == 1
    envelopes = "SELECT COUNT(*) FROM outbox WHERE subject = ?"
    assert scene.handling.count(envelopes, f"document/{scan.document_id}") == 1
    assert scene.handling.count("SELECT COUNT(*) FROM timers WHERE subject = ?", scan.document_id) == 0
    scene.handling.verify_chain()
    scene.home.verify_chain()


@pytest.mark.slow
def test_d0_a_node_killed_in_the_middle_of_an_upload_has_what_it_said_and_goes_on_there(scene: Scene) -> None:
    scan = Scan(scene, "D0")
    scene.arm(HANDLING, "D0.after-commit")
    upload = scan.start()
    scene.require_killed(HANDLING)
    assert (scan.chunks(), scan.state()) == (1, UploadState.UPLOAD_STATE_RECEIVING)
    scene.restart(HANDLING)
    require_once(scene, scan, upload)


def test_d1_a_node_killed_before_it_completes_has_told_nobody_and_tells_once_afterwards(scene: Scene) -> None:
    scan = Scan(scene, "D1 before")
    scene.arm(HANDLING, "D1.before-commit")
    upload = scan.start()
    scene.require_killed(HANDLING)
    assert (scan.chunks(), scan.state()) == (CHUNKS, UploadState.UPLOAD_STATE_RECEIVING)
    envelopes = "SELECT COUNT(*) FROM outbox WHERE subject = ?"
    assert scene.handling.count(envelopes, f"document/{scan.document_id}") == 0
    assert scan.registered() == 0
    scene.restart(HANDLING)
    require_once(scene, scan, upload)


@pytest.mark.slow
def test_d1_a_node_killed_once_it_has_completed_tells_the_home_region_all_the_same(scene: Scene) -> None:
    scan = Scan(scene, "D1 after")
    scene.arm(HANDLING, "D1.after-commit")
    upload = scan.start()
    scene.require_killed(HANDLING)
    assert scan.state() >= UploadState.UPLOAD_STATE_COMPLETE
    scene.restart(HANDLING)
    require_once(scene, scan, upload)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["D2.before-commit", "S9.after-commit"])
def test_d2_a_home_region_killed_about_its_commit_registers_once(scene: Scene, point: str) -> None:
    scan = Scan(scene, point)
    scene.arm(HOME, point)
    upload = scan.start()
    scene.require_killed(HOME)
    if point == "D2.before-commit":
        assert scan.registered() == 0
    assert scan.state() == UploadState.UPLOAD_STATE_COMPLETE
    scene.restart(HOME)
    require_once(scene, scan, upload)


@pytest.mark.slow
def test_d3_a_node_killed_while_it_settles_the_registration_settles_it_once(scene: Scene) -> None:
    scan = Scan(scene, "D3")
    scene.arm(HANDLING, "D3.before-commit")
    upload = scan.start()
    scene.require_killed(HANDLING)
    assert (scan.registered(), scan.state()) == (1, UploadState.UPLOAD_STATE_COMPLETE)
    scene.restart(HANDLING)
    require_once(scene, scan, upload)
