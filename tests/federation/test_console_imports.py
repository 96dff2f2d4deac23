"""The imports of a region, by gRPC and on the page of its console."""

from http import HTTPStatus

from gateway.api.region.v1.import_service_pb2 import ListImportsRequest
from gateway.api.region.v1.import_service_pb2_grpc import ImportServiceStub
from gateway.rpc.pages import encode_token
from tests.federation.browser import Browser
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_console import STAFF
from tests.federation.test_imports import Import, new_hash, pieces, some_lines


def stub(federation: Federation) -> ImportServiceStub:
    """The imports of Guangdong, as a member of its staff sees them."""
    return ImportServiceStub(federation.dial_node("guangdong", STAFF))


async def imported(federation: Federation, counter: Counter, lines: int) -> bytes:
    """The hash of a file of 100 lines, of which so many are imported."""
    sha256 = new_hash(federation)
    stream = Import(counter, sha256)
    await stream.begin()
    for piece in pieces(some_lines(counter, lines)):
        await stream.ask(piece)
    await stream.end()
    return sha256


async def test_staff_see_how_far_each_file_is(federation: Federation, guangdong: Counter) -> None:
    files = [await imported(federation, guangdong, lines) for lines in (4, 2)]
    listed = (await stub(federation).ListImports(ListImportsRequest(page_size=2), timeout=CALL_SECONDS)).imports
    assert {each.sha256: (each.lines, each.processed, each.created, each.rejected) for each in listed} == {
        files[0]: (100, 4, 4, 0),
        files[1]: (100, 2, 2, 0),
    }
    browser = Browser.of(federation, STAFF)
    await browser.sign_in()
    page = await browser.open("imports")
    assert (page.status, f"{files[0].hex()[:16]}: 4 %" in page.text) == (HTTPStatus.OK, True)


async def test_pages_of_imports_follow_one_another_without_a_gap(federation: Federation, guangdong: Counter) -> None:
    files = {await imported(federation, guangdong, 1) for _ in range(3)}
    found, token = [], ""
    while True:
        request = ListImportsRequest(page_size=1, page_token=token)
        answer = await stub(federation).ListImports(request, timeout=CALL_SECONDS)
        found += [each.sha256 for each in answer.imports]
        token = answer.next_page_token
        if not token:
            break
    assert (len(found), files <= set(found)) == (len(set(found)), True)
    forged = ListImportsRequest(page_token=encode_token("imports", "1 no hash"))
    told = await refusal(stub(federation).ListImports(forged, timeout=CALL_SECONDS))
    assert told.reason == "TOKEN_INVALID"
