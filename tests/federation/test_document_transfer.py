"""The bytes of documents: how they come in, whole or not at all, and who reads them, from where they are."""

from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentNotification
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.time.clock import to_timestamp
from gateway.values.sizes import MIB
from region_node.customers.documents.rules import attested
from tests.federation.archive import CHUNK, REGISTERED, Archive, scan
from tests.federation.counter import Counter
from tests.federation.forger import Forger, refused
from tests.federation.refusals import Told, read, refusal
from tests.federation.running import CALL_SECONDS, Federation, until

SECRET = "HENAN-SCAN-0815"


@pytest.fixture
def henan(federation: Federation) -> Archive:
    """The counter in Henan, which verifies."""
    return Archive(Counter(federation, "henan"))


@pytest.fixture
def here(guangdong: Counter) -> Archive:
    """The documents as Guangdong sees them."""
    return Archive(guangdong)


def kept(federation: Federation, region: str, document_id: str) -> list[int]:
    """How many files and chunks a region keeps under an id, and how many timers watch it."""
    database = federation.database(region)
    tables = {"document_files": "document_id", "document_chunks": "document_id", "timers": "subject"}
    return [
        len(database.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", document_id)) for table, column in tables.items()
    ]


async def audited(federation: Federation, region: str, action: str, subject: str) -> list[str]:
    """The details of the rows of an action about a subject."""
    rows = federation.database(region).rows(
        "SELECT detail FROM audit WHERE action = ? AND subject = ? ORDER BY sequence", action, subject
    )
    return [str(detail) for (detail,) in rows]


async def refused_upload(archive: Archive, named: api.DocumentUpload, content: bytes) -> Told:
    """How an upload that must not be taken is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await archive.send(named, content)
    return read(raised.value)


@pytest.mark.parametrize("home", ["henan", "sichuan"])
async def test_an_upload_that_breaks_off_goes_on_where_it_was_and_a_repeat_changes_nothing(
    federation: Federation, henan: Archive, home: str
) -> None:
    number = await Counter(federation, home).new_customer()
    content = scan(5 * CHUNK + 17)
    named = henan.named(number, content)
    half = await henan.send(named, content, until_byte=2 * CHUNK + 5)
    assert (half.received, half.state) == (2 * CHUNK + 5, api.UploadState.UPLOAD_STATE_RECEIVING)
    assert kept(federation, "henan", half.document_id) == [1, 3, 1]
    await henan.send(named, content)

    async def is_registered() -> bool:
        return (await henan.send(named, content)).state == REGISTERED

    await until(is_registered, "the home region has it")
    assert kept(federation, "henan", half.document_id) == [1, 7, 0]
    assert [each.size for each in await Archive(Counter(federation, home)).list(number)] == [len(content)]
    assert await henan.content(number, half.document_id) == content
    other = api.DocumentUpload()
    other.CopyFrom(named)
    other.verify_time.seconds -= 1
    assert (await refused_upload(henan, other, content)).reason == "REQUEST_ID_REUSED"


def _too_large(named: api.DocumentUpload) -> bytes:
    named.size = 100 * MIB
    return b""


def _other_type(named: api.DocumentUpload) -> bytes:
    named.media_type = "application/x-msdownload"
    return b""


def _not_what_it_says(named: api.DocumentUpload) -> bytes:
    named.media_type = "application/pdf"
    return scan(CHUNK + 1)


def _changed_on_its_way(named: api.DocumentUpload) -> bytes:
    return scan(CHUNK + 1, mark="another scan")[: CHUNK + 1]


def _expired(named: api.DocumentUpload) -> bytes:
    named.expire_time.CopyFrom(named.verify_time)
    return b""


def _face(named: api.DocumentUpload) -> bytes:
    named.code = "FACE"
    return b""


def _in_the_future(named: api.DocumentUpload) -> bytes:
    named.verify_time.seconds += 3600
    return b""


def _identity_of_an_agent(named: api.DocumentUpload) -> bytes:
    named.code, named.identity_number = "AGENT_ID", "510100199003071234"
    return b""


BROKEN: dict[str, Callable[[api.DocumentUpload], bytes]] = {
    "DOCUMENT_TOO_LARGE": _too_large,
    "DOCUMENT_TYPE_NOT_ALLOWED": _other_type,
    "DOCUMENT_TYPE_NOT_ALLOWED by its content": _not_what_it_says,
    "DOCUMENT_HASH_DIFFERS": _changed_on_its_way,
    "DOCUMENT_EXPIRED": _expired,
    "DOCUMENT_NOT_REUSABLE": _face,
    "REQUEST_INVALID by its time": _in_the_future,
    "REQUEST_INVALID by its identity": _identity_of_an_agent,
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_is_broken_is_refused_with_the_reason_audited_and_leaves_nothing_behind(
    federation: Federation, henan: Archive, sichuan: Counter, broken: str
) -> None:
    number = await sichuan.new_customer()
    named = henan.named(number, scan(CHUNK + 1))
    content = BROKEN[broken](named)
    told = await refused_upload(henan, named, content)
    reason = broken.partition(" ")[0]
    assert told.reason == reason
    document_id = f"henan/counter/{named.request_id}"
    assert kept(federation, "henan", document_id) == [0, 0, 0]
    assert await audited(federation, "henan", "UploadDocument", document_id) == [f"staff clerk-7, {reason}"]
    assert number[1:] not in " ".join(told.parameters.values())


async def test_one_that_lies_about_its_size_is_cut_at_what_it_said(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    named = henan.named(await sichuan.new_customer(), scan(CHUNK))
    call = henan.counter.documents.UploadDocument(timeout=CALL_SECONDS)
    await call.write(api.UploadDocumentRequest(document=named))
    await call.read()
    await call.write(api.UploadDocumentRequest(chunk=api.DocumentChunk(offset=0, data=scan(CHUNK - 1))))
    await call.read()
    await call.write(api.UploadDocumentRequest(chunk=api.DocumentChunk(offset=CHUNK - 1, data=bytes(CHUNK))))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    told = read(raised.value)
    assert (told.reason, told.parameters["limit"]) == ("DOCUMENT_TOO_LARGE", str(CHUNK))
    assert kept(federation, "henan", f"henan/counter/{named.request_id}") == [0, 0, 0]


async def test_a_chunk_that_does_not_follow_is_refused_and_what_is_there_stays(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    content = scan(CHUNK + 1)
    named = henan.named(await sichuan.new_customer(), content)
    await henan.send(named, content, until_byte=100)
    call = henan.counter.documents.UploadDocument(timeout=CALL_SECONDS)
    await call.write(api.UploadDocumentRequest(document=named))
    await call.read()
    await call.write(api.UploadDocumentRequest(chunk=api.DocumentChunk(offset=200, data=b"x")))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert read(raised.value).parameters["problem"] == "the next byte is 100"
    assert kept(federation, "henan", f"henan/counter/{named.request_id}") == [1, 1, 1]


async def test_an_upload_that_is_left_is_removed_after_a_day(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    content = scan(CHUNK + 1)
    named = henan.named(await sichuan.new_customer(), content)
    answer = await henan.send(named, content, until_byte=CHUNK)
    await federation.advance(timedelta(days=1))

    async def is_gone() -> bool:
        return kept(federation, "henan", answer.document_id) == [0, 0, 0]

    await until(is_gone, "what was left is removed")
    assert await audited(federation, "henan", "UploadAbandoned", answer.document_id) == [""]


async def test_a_document_of_nobody_is_not_taken_and_its_bytes_are_gone(federation: Federation, henan: Archive) -> None:
    number, content = federation.next_number("sichuan"), scan()
    named = henan.named(number, content)
    answer = await henan.send(named, content)

    async def is_refused() -> bool:
        return (await henan.send(named, content)).state == api.UploadState.UPLOAD_STATE_REFUSED

    await until(is_refused, "the home region does not take it")
    assert (await henan.send(named, content)).refused.message.en == "The home region has no line with this number."
    assert kept(federation, "henan", answer.document_id) == [1, 0, 0]
    own = henan.named(federation.next_number("henan"), content)
    assert (await refused_upload(henan, own, content)).reason == "SUBSCRIPTION_NOT_FOUND"


async def test_a_region_reads_the_content_only_while_it_has_an_order_of_the_customer_under_way(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, content = await sichuan.new_customer(), scan(3 * CHUNK + 1)
    document_id = await henan.put(number, content)
    told = await refusal(anext(aiter(here.pieces(number, document_id))))
    assert (told.reason, told.parameters["region"]) == ("DOCUMENT_CONTENT_DENIED", "guangdong")
    denied = await audited(federation, "sichuan", "GetDocumentContent", document_id)
    assert denied == ["staff clerk-7, DOCUMENT_CONTENT_DENIED"]
    order = await guangdong.order("TERMINATE", number)
    assert order.state == OrderState.ORDER_STATE_IN_PROGRESS
    assert await here.content(number, document_id) == content
    assert await here.content(number, document_id, offset=CHUNK + 3) == content[CHUNK + 3 :]
    assert await here.content(number, document_id, offset=len(content)) == b""
    await guangdong.cancel(order.id)
    assert (await refusal(anext(aiter(here.pieces(number, document_id))))).reason == "DOCUMENT_CONTENT_DENIED"
    assert await Archive(sichuan).content(number, document_id) == content
    for region in ("henan", "sichuan"):
        rows = federation.database(region).rows("SELECT actor, subject, detail FROM audit")
        assert number not in str(rows), "no number stands in the audit chain"


@pytest.mark.clause("7.1(3)")
async def test_an_order_opens_the_documents_that_it_asks_for_and_no_other_of_the_customer(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    asked_for = [await henan.put(number, code=code) for code in ("ID_ORIG", "REFUND_ACC")]
    others = [await henan.put(number, code=code) for code in ("CONTRACT", "ID_GUARD")]
    others.append("henan/counter/none")
    await guangdong.order("TERMINATE", number)
    for document_id in asked_for:
        assert await here.content(number, document_id) == scan()
    told = [await refusal(anext(aiter(here.pieces(number, document_id)))) for document_id in others]
    assert {each.reason for each in told} == {"DOCUMENT_CONTENT_DENIED"}
    assert told[0] == told[1] == told[2], "whether there is such a document is not told"
    for document_id in others:
        rows = await audited(federation, "sichuan", "GetDocumentContent", document_id)
        assert rows == ["staff clerk-7, DOCUMENT_CONTENT_DENIED"]


async def test_an_order_opens_a_document_on_file_that_it_names_itself(
    henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    named, other = [await henan.put(number, code="CONTRACT") for _ in range(2)]
    request = guangdong.request("TERMINATE", number)
    (listed,) = [each for each in await here.list(number) if each.document_id == named]
    request.documents.append(attested(listed))
    await guangdong.submit(request)
    assert await here.content(number, named) == scan()
    assert (await refusal(anext(aiter(here.pieces(number, other))))).reason == "DOCUMENT_CONTENT_DENIED"


async def test_a_region_reads_what_it_verified_itself_only_as_the_home_region_lets_it(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, content = await sichuan.new_customer(), scan(2 * CHUNK)
    document_id = await henan.put(number, content)
    assert await henan.content(number, document_id) == content
    pieces = await audited(federation, "sichuan", "GetDocumentContent", document_id)
    assert pieces[0] == "staff clerk-7, from byte 0"
    assert pieces == await audited(federation, "henan", "GetDocumentContent", document_id), "home is asked for each"
    await sichuan.restrict(number)
    for offset in (0, CHUNK):
        told = await refusal(anext(aiter(henan.pieces(number, document_id, offset))))
        assert told.reason == "CUSTOMER_RESTRICTED"
    assert len(await audited(federation, "henan", "GetDocumentContent", document_id)) == len(pieces)
    await sichuan.release(number)
    assert await henan.content(number, document_id) == content


async def test_a_withdrawn_document_is_read_at_home_alone(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, content, home = await sichuan.new_customer(), scan(CHUNK), Archive(sichuan)
    document_id = await henan.put(number, content)
    await guangdong.order("TERMINATE", number)
    await henan.withdraw(document_id)
    told = await refusal(henan.content(number, document_id))
    assert told.reason == "DOCUMENT_WITHDRAWN", "also before the home region has heard of it"

    async def is_withdrawn() -> bool:
        (listed,) = await home.list(number)
        return listed.HasField("withdraw_time")

    await until(is_withdrawn, "the home region knows")
    for archive in (here, henan):
        told = await refusal(archive.content(number, document_id))
        assert (told.reason, told.parameters["document"]) == ("DOCUMENT_WITHDRAWN", "ID_ORIG")
    assert await home.content(number, document_id) == content, "it is evidence"


async def test_what_was_verified_here_is_read_by_nobody_before_the_home_region_has_registered_it(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    number, content = await sichuan.new_customer(), scan(CHUNK)
    document_id = await henan.put(number, content)
    federation.database("sichuan").change(f"DELETE FROM documents WHERE document_id = '{document_id}'")
    told = await refusal(henan.content(number, document_id))
    assert (told.reason, told.parameters["region"]) == ("DOCUMENT_CONTENT_DENIED", "henan")


async def test_the_content_stands_in_no_database_in_clear(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    content = scan(100) + SECRET.encode() + bytes(100)
    identity = "510100197001011238"
    document_id = await henan.put(number, content, identity_number=identity)
    await guangdong.order("TERMINATE", number)
    assert SECRET.encode() in await here.content(number, document_id)
    for region in ("guangdong", "henan", "sichuan"):
        assert SECRET.encode() not in federation.database(region).raw(), region
    assert SECRET.encode() not in federation.coordinator_database.raw()
    for table in ("documents", "document_files", "document_chunks", "audit"):
        for region in ("henan", "sichuan"):
            cells = str(federation.database(region).rows(f"SELECT * FROM {table}"))
            assert identity not in cells, (region, table)


async def test_a_document_is_found_under_its_customers_number_alone(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    number, other = await sichuan.new_customer(), await sichuan.new_customer()
    document_id = await henan.put(number)
    told = await refusal(anext(aiter(Archive(sichuan).pieces(other, document_id))))
    assert told.reason == "DOCUMENT_NOT_ON_FILE"
    told = await refusal(anext(aiter(henan.pieces(other, document_id))))
    assert told.reason == "DOCUMENT_CONTENT_DENIED"
    told = await refusal(anext(aiter(henan.pieces(number, "henan"))))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "document_id")
    told = await refusal(anext(aiter(henan.pieces(number, document_id, offset=10**6))))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "offset")


async def test_content_that_was_altered_where_it_is_stored_is_never_given_whole(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, content = await sichuan.new_customer(), scan(2 * CHUNK)
    document_id = await henan.put(number, content)
    federation.database("henan").change(
        f"UPDATE document_chunks SET content = (SELECT content FROM document_chunks WHERE document_id = '{document_id}'"
        f" AND start = 0) WHERE document_id = '{document_id}' AND start > 0"
    )
    await guangdong.order("TERMINATE", number)
    assert (await refusal(here.content(number, document_id))).reason == "DOCUMENT_HASH_DIFFERS"


async def test_a_region_tells_only_of_what_it_verified_itself_and_reads_only_through_the_home_region(
    federation: Federation, henan: Archive, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    document_id = await henan.put(number)
    forger = Forger(federation, "guangdong")
    told = DocumentNotification(document_id=document_id, number=number)
    told.withdrawal.withdraw_time.CopyFrom(to_timestamp(federation.clock.now()))
    envelope = forger.seal("sichuan", EnvelopeKind.ENVELOPE_KIND_DOCUMENT, told, document_id)
    assert refused(await forger.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    (listed,) = await Archive(sichuan).list(number)
    assert not listed.HasField("withdraw_time")
    asked = DocumentContentQuestion(document_id=document_id, number=number, staff_id="clerk-7")
    kind = EnvelopeKind.ENVELOPE_KIND_DOCUMENT_CONTENT
    result = await forger.deliver(forger.seal("henan", kind, asked, document_id), "henan")
    receipt = ReceiptContent.FromString(result.receipt.content)
    assert (receipt.outcome, receipt.moved_to, receipt.result) == (Outcome.OUTCOME_MOVED, "sichuan", b"")
