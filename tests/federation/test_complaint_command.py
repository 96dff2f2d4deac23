"""`region-node complaints` against regions that run: filed at one counter, answered by staff of the home region."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.complaint_pb2 import ComplaintState, WorkItemState
from gateway.time.clock import from_timestamp
from tests.federation.archive import CHUNK, scan
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.complainant import Complainant
from tests.federation.running import Federation, until
from tests.federation.test_complaint_remedies import REFUSED, stands
from tests.preloaded import Ended

AT_WORK = WorkItemState.WORK_ITEM_STATE_IN_PROGRESS


async def administered(federation: Federation, *words: str) -> Ended:
    """`coordinator complaints`, as an administrator."""
    environment = as_administrator(federation)
    return await run_command("coordinator.cli.main", "complaints", *words, environment=environment)


async def said(federation: Federation, region: str, who: str, *words: str) -> Ended:
    """The command, as somebody of a region."""
    environment = as_caller(federation, region, who)
    return await run_command("region_node.cli.main", "complaints", *words, environment=environment)


@pytest.mark.files  # the commands are the same on either engine
async def test_a_complaint_is_followed_from_filing_to_its_end_by_commands(federation: Federation) -> None:
    number, counter, staff = federation.next_number("sichuan"), "operator/counter", "staff/wang"
    clerk = ("--staff-id", "4711")
    filed = await said(
        federation, "guangdong", counter, "file", number, "BILL_WRONG", "多收费", "--remedy", "refund", *clerk, "--json"
    )
    assert filed.code == 0, filed.err
    ticket_id = json.loads(filed.out)["ticket_id"]
    await Complainant(federation, "sichuan", staff).reaches(ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    listed = await said(federation, "sichuan", staff, "list", "--number", number)
    assert ticket_id in listed.out
    assert (await said(federation, "sichuan", staff, "respond", ticket_id, "请提供凭证", "--ask")).code == 0
    await Complainant(federation, "guangdong").reaches(ticket_id, ComplaintState.COMPLAINT_STATE_PENDING)
    assert (await said(federation, "guangdong", counter, "respond", ticket_id, "凭证已附", *clerk)).code == 0
    money = ("--remedy", "refund", "--amount", "1200")
    mistyped = await said(federation, "sichuan", staff, "propose", ticket_id, "billing-eror", "退费", *money)
    assert (mistyped.code, "Did you mean billing-error?" in mistyped.err + mistyped.out) == (1, True)
    nowhere = await said(federation, "sichuan", staff, "actions", "list", "--cause", "biling-error")
    assert (nowhere.code, "billing-error" in nowhere.err + nowhere.out) == (1, True)
    assert (await said(federation, "sichuan", staff, "propose", ticket_id, "billing-error", "退费", *money)).code == 0
    await Complainant(federation, "guangdong").reaches(ticket_id, ComplaintState.COMPLAINT_STATE_RESOLVED)
    assert (await said(federation, "guangdong", counter, "refuse", ticket_id, "太少", *clerk)).code == 0
    assert (await said(federation, "guangdong", counter, "expedite", ticket_id, *clerk)).code == 0
    assert (await said(federation, "sichuan", staff, "propose", ticket_id, "billing-error", "退费", *money)).code == 0
    await Complainant(federation, "guangdong").reaches(ticket_id, ComplaintState.COMPLAINT_STATE_RESOLVED)
    accepted = await said(federation, "guangdong", counter, "accept", ticket_id, "--rating", "5", *clerk)
    assert (accepted.code, "closed" in accepted.out) == (0, True)
    shown = await said(federation, "guangdong", counter, "show", ticket_id, *clerk)
    for told in ("多收费", "请提供凭证", "L2: refused", "waiting for customer", "sichuan", "together", "█"):
        assert told in shown.out, told
    chinese = await said(federation, "guangdong", counter, "--lang", "zh", "show", ticket_id, *clerk)
    assert "等待客户" in chinese.out
    assert "合计" in chinese.out
    await stands(Complainant(federation, "sichuan", staff), ticket_id, REFUSED)  # the number is nobody's
    unpaid = await said(federation, "sichuan", staff, "show", ticket_id)
    for told in ("refund of 12.00 CNY: refused", "Waits for sichuan: settle", "Not booked:"):
        assert told in unpaid.out, told
    settled = await said(federation, "sichuan", staff, "settle", ticket_id, "--otherwise", "现金支付")
    assert settled.code == 0, settled.err
    assert "现金支付" in (await said(federation, "sichuan", staff, "show", ticket_id)).out
    both = await said(federation, "sichuan", staff, "settle", ticket_id, "--again", "--otherwise", "x")
    assert both.code == 2
    task = ("actions", "add", ticket_id, "逐笔核对", "--owner", "BILLING", "--due", "2999-12-31", "--json")
    added = json.loads((await said(federation, "sichuan", staff, *task)).out)
    listed = await said(federation, "sichuan", staff, "actions", "list", "--open")
    assert (added["id"] in listed.out, "billing-error" in listed.out) == (True, True)
    finished = await said(federation, "sichuan", staff, "actions", "finish", added["id"], "已核对")
    assert (finished.code, "finished" in finished.out) == (0, True)


@pytest.mark.files
async def test_files_private_notes_and_questions_between_regions_by_commands(
    federation: Federation, tmp_path: Path
) -> None:
    desk, staff, clerk = Complainant(federation, "guangdong"), "staff/wang", ("--staff-id", "4711")
    ticket_id = (await desk.file("BILL_WRONG", federation.next_number("sichuan"))).ticket_id
    await Complainant(federation, "sichuan", staff).reaches(ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    bill, fetched = tmp_path / "bill.png", tmp_path / "fetched.png"
    bill.write_bytes(scan(2 * CHUNK))
    attached = await said(federation, "guangdong", "operator/counter", "attach", ticket_id, str(bill), *clerk)
    assert (attached.code, attached.out[:12]) == (0, "Attached as "), attached
    attachment_id = attached.out.removeprefix("Attached as ").rstrip(".\n")
    out = ("--out", str(fetched))
    assert (await said(federation, "sichuan", staff, "attachment", ticket_id, attachment_id, *out)).code == 0
    assert fetched.read_bytes() == bill.read_bytes()
    denied = await said(federation, "henan", "staff/li", "attachment", ticket_id, attachment_id, *out)
    assert (denied.code, "COMPLAINT_NOT_FOUND" in denied.err) == (1, True), denied
    bill.write_bytes(b"MZ not a picture")
    refused = await said(federation, "guangdong", "operator/counter", "attach", ticket_id, str(bill), *clerk)
    assert (refused.code, "DOCUMENT_TYPE_NOT_ALLOWED" in refused.err) == (1, True), refused
    noted = await said(federation, "sichuan", staff, "note", ticket_id, "third call")
    assert (noted.code, noted.out) == (0, "Noted. Private notes: 1.\n"), noted
    assert (
        await said(federation, "sichuan", staff, "respond", ticket_id, "which?", "--ask-region", "guangdong")
    ).code == 0
    shown = await said(federation, "sichuan", staff, "show", ticket_id)
    for told in ("attached: bill.png", attachment_id, "private: third call", "asks guangdong, not answered yet"):
        assert told in shown.out, told


@pytest.mark.files
async def test_refusals_are_told_with_their_reason_and_a_usage_of_their_own(federation: Federation) -> None:
    number = federation.next_number("sichuan")
    refused = await said(federation, "guangdong", "operator/counter", "file", number, "NO", "x", "--staff-id", "4711")
    assert refused.code == 1
    assert "COMPLAINT_CATEGORY_UNKNOWN" in refused.err
    missing = await said(federation, "guangdong", "operator/counter", "show", "guangdong/1-1", "--staff-id", "4711")
    assert (missing.code, "COMPLAINT_NOT_FOUND" in missing.err) == (1, True)


@pytest.mark.files
async def test_a_complaint_is_returned_and_assigned_by_commands_and_the_case_is_listed(federation: Federation) -> None:
    desk, staff = Complainant(federation, "guangdong"), "staff/wang"
    ticket_id = (await desk.file("BILL_WRONG", federation.next_number("sichuan"))).ticket_id
    await desk.reaches(ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    returned = await said(federation, "sichuan", staff, "return", ticket_id, "not-here", "该号码已携出")
    assert (returned.code, "held" in returned.out) == (0, True), returned.err
    await desk.follows(ticket_id, lambda found: len(found.items) == 1, "it is a case")
    wrong = await administered(federation, "assign", ticket_id, "--region", "henan", "--department", "NOBODY")
    assert (wrong.code, "NOBODY" in wrong.err) == (1, True)
    assigned = await administered(
        federation, "assign", ticket_id, "--region", "henan", "--department", "BILLING", "--json"
    )
    assert json.loads(assigned.out)["header"]["items"][1]["region"] == "henan"
    assert json.loads(assigned.out)["on_duty"]["contact"]["staff_id"].startswith("henan-service-")
    await desk.follows(ticket_id, lambda found: found.items[1].state == AT_WORK, "Henan has it")

    async def is_listed() -> bool:
        listed = await administered(federation, "cases", "--region", "henan")
        assert listed.code == 0, listed.err
        return all(
            told in listed.out
            for told in (ticket_id, "henan: waiting for region", "2 henan BILLING: in progress", "+8637110000")
        )

    await until(is_listed, "the coordinator knows who has it")
    shown = await said(federation, "guangdong", staff, "show", ticket_id)
    for told in ("assigned (not here)", "henan Billing", "the coordinator", "该号码已携出"):
        assert told in shown.out, told


@pytest.mark.files  # nothing of it depends on the engine
async def test_the_levels_by_an_instant_are_told_in_a_table_and_as_json_of_one_to_come_as_the_rules_foresee(
    federation: Federation,
) -> None:
    number, desk = federation.next_number("guangdong"), Complainant(federation, "guangdong")
    ticket_id = (await desk.file("BILL_WRONG", number)).ticket_id
    await federation.advance(timedelta(hours=25))
    await desk.rises(ticket_id, 2)
    now = federation.clock.now()

    async def told(after: timedelta, *words: str) -> Ended:
        instant = (now + after).astimezone().isoformat()
        options = ("--as-of", instant, "--number", number, "--staff-id", "4711")
        ended = await said(federation, "guangdong", "operator/counter", "escalations", *options, *words)
        assert (ended.code, ended.err) == (0, "")
        return ended

    found = json.loads((await told(timedelta(days=30), "--json")).out)
    assert [(each["ticket_id"], each["level"], each["is_to_come"]) for each in found] == [
        (ticket_id, 2, False),
        *((ticket_id, level, True) for level in (3, 4, 5)),
    ]
    assert [each["trigger"] for each in found][-1] == "LEGAL_LIMIT_PASSED"
    assert [each["level"] for each in json.loads((await told(timedelta(), "--json")).out)] == [2]
    assert json.loads((await told(-timedelta(hours=20), "--json")).out) == []
    table = (await told(timedelta(days=30))).out
    assert table.count(ticket_id) == 4
    assert "to come" in table
    assert table.count(" +08:00") == 4
    assert (await told(timedelta(days=30), "--utc")).out.count(" +00:00") == 4
    assert (await desk.get(ticket_id)).level == 2, "nothing is changed"
    await federation.advance(timedelta(days=30))
    reached = await desk.rises(ticket_id, 5)
    assert [(each.level, from_timestamp(each.due_time).isoformat()) for each in reached.escalations][2:] == [
        (each["level"], each["due_time"]) for each in found
    ], "as it was foreseen"
