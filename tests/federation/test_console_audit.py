"""The rows of a region's audit chain, on the page of its console and by the command."""

from http import HTTPStatus

from gateway.api.region.v1.audit_service_pb2 import ListAuditRowsRequest
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub
from tests.federation.browser import Browser
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.running import CALL_SECONDS, Federation


async def test_staff_with_the_right_find_who_did_something_to_a_record(
    federation: Federation, guangdong: Counter
) -> None:
    auditor = f"region/guangdong/staff/auditor-{federation.next_id()}"
    number = await guangdong.new_customer()
    order = await guangdong.order("SUSPEND", number)
    await guangdong.get(order.id)

    stub = AuditServiceStub(federation.dial_node("guangdong", auditor))
    request = ListAuditRowsRequest(subject=order.id, actor=guangdong.path)
    rows = (await stub.ListAuditRows(request, timeout=CALL_SECONDS)).rows
    assert [each.action for each in rows][-1] == "SubmitOrder"
    assert {each.action for each in rows} == {"SubmitOrder", "GetOrder"}
    assert number.removeprefix("+86") not in str(rows), "a row has the id of a record, and no number"

    browser = Browser.of(federation, auditor)
    await browser.sign_in()
    page = await browser.open(f"audit?subject={order.id}")
    assert (page.status, "SubmitOrder" in page.text) == (HTTPStatus.OK, True)
    own = await browser.open(f"audit?actor={auditor}&action=ListAuditRows&from=2020-01-01T00:00&format=csv")
    assert own.text.count(f"{order.id},") == 2, "each reading that found something names it"
    wrong = await browser.open("audit?from=yesterday")
    assert (wrong.status, "REQUEST_INVALID" in wrong.text) == (HTTPStatus.BAD_REQUEST, True)

    environment = as_caller(federation, "guangdong", auditor.removeprefix("region/guangdong/"))
    words = ("audit", "list", "--subject", order.id, "--action", "SubmitOrder")
    listed = await run_command("region_node.cli.main", *words, environment=environment)
    assert (listed.code, "SubmitOrder" in listed.out) == (0, True), listed
