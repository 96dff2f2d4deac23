"""`region-node surveys` and the permitted contacts against regions that run."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.notice_service_pb2 import ListNoticesRequest
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, Federation, until


async def said(federation: Federation, region: str, *words: str, code: int = 0, who: str = "staff/wang") -> str:
    """The output of the command, as a caller of a region."""
    ended = await run_command("region_node.cli.main", *words, environment=as_caller(federation, region, who))
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def tokens(counter: Counter, number: str) -> list[str]:
    """The tokens of the invitations to a number."""
    request = ListNoticesRequest(number=number, requester=REQUESTER)
    notices = (await counter.notices.ListNotices(request, timeout=CALL_SECONDS)).notices
    texts = [each.text.en for each in notices if each.kind == "survey"]
    return [found[0] for text in texts if (found := re.search(r"[0-9A-F]{12}", text)) is not None]


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.clause("2.4.1", "2.4.2")
async def test_a_customer_of_another_region_is_asked_answers_and_is_called_back_by_commands(
    federation: Federation, guangdong: Counter, sichuan: Counter, tmp_path: Path
) -> None:
    number, system = await sichuan.new_customer(), "operator/counter"
    order = await guangdong.order("SUSPEND", number)
    for _ in range(2):  # the second request invites nobody
        await said(federation, "guangdong", "surveys", "invite", order.id)

    async def is_invited() -> bool:
        return bool(await tokens(sichuan, number))

    await until(is_invited, "the invitation is written")
    (token,) = await tokens(sichuan, number)
    marks = ("--attitude", "dissatisfied", "--handling", "satisfied", "--recommend", "3", "--words", "attitude", "冷淡")
    staff = ("--staff-id", "4711")
    twice = (*marks, "--words", "attitude", "太慢", *staff)
    assert "attitude" in await said(federation, "sichuan", "surveys", "answer", token, *twice, who=system, code=2)
    await said(federation, "sichuan", "surveys", "answer", token, *marks, *staff, who=system)
    refused = await said(
        federation, "sichuan", "surveys", "answer", token, "--handling", "neutral", *staff, who=system, code=1
    )
    assert "answered before" in refused
    listed = await said(federation, "sichuan", "surveys", "follow-ups")
    assert "attitude: dissatisfied (冷淡)" in listed, listed
    assert "open" in listed
    assert "finished" in await said(federation, "sichuan", "surveys", "finish", order.id, "已回访")
    assert order.id not in await said(federation, "sichuan", "surveys", "follow-ups")
    page, months = (
        tmp_path / "page.html",
        ("--from", "2026-01", "--to", f"{federation.clock.now() - timedelta(days=60):%Y-%m}"),
    )
    await said(federation, "sichuan", "surveys", "publish", *months, "--out", str(page))
    late = ("--from", "2026-01", "--to", "2099-12")
    assert "still come in" in await said(federation, "sichuan", "surveys", "results", *late, code=1)
    assert "fewer than 5 answers" in page.read_text(encoding="utf-8")
    assert "SUSPEND" not in await said(federation, "sichuan", "surveys", "results", *months), "a group of one"


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.clause("8.2(2)")
async def test_a_customer_on_the_quiet_list_is_not_asked(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    quiet, other = await sichuan.new_customer(), await sichuan.new_customer()
    staff, system = ("--staff-id", "4711"), "operator/counter"
    change = ("customers", "set-contact", quiet)
    await said(federation, "sichuan", *change, "--marketing", *staff, who=system)
    assert "OTP" in await said(federation, "guangdong", *change, "--not-quiet", *staff, who=system, code=1)
    await said(federation, "guangdong", *change, "--quiet", *staff, who=system)
    told = await said(federation, "sichuan", "customers", "contact", quiet, *staff, who=system)
    assert told.split()[-3:] == ["yes", "yes", "no"], "another region has put the customer on the quiet list alone"
    for number in (quiet, other):
        order = await guangdong.order("SUSPEND", number)
        await said(federation, "guangdong", "surveys", "invite", order.id)

    async def is_invited() -> bool:
        return bool(await tokens(sichuan, other))

    await until(is_invited, "the other customer is invited")
    assert await tokens(sichuan, quiet) == []
    assert "no finished order" in await said(federation, "guangdong", "surveys", "invite", "guangdong/x", code=1)


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.clause("2.4.2")
async def test_a_customer_answers_by_an_operator_of_any_region_once(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, other, system = await sichuan.new_customer(), await sichuan.new_customer(), "operator/counter"
    unused = f"{number[:-4]}9999"
    order = await sichuan.order("SUSPEND", number)
    await said(federation, "sichuan", "surveys", "invite", order.id)
    (token,) = await tokens(sichuan, number)
    answer = ("surveys", "answer", token, "--handling", "dissatisfied", "--staff-id", "4711", "--number")
    for region, whose in (("guangdong", other), ("sichuan", other), ("guangdong", unused)):
        assert "no such survey" in await said(federation, region, *answer, whose, who=system, code=1)
    without = answer[:-1]
    assert "no such survey" in await said(federation, "guangdong", *without, who=system, code=1)
    for region in ("guangdong", "guangdong", "sichuan"):  # the same answer again changes nothing
        await said(federation, region, *answer, number, who=system)
    listed = await said(federation, "sichuan", "surveys", "follow-ups")
    assert listed.count(order.id) == 1
    second = [each if each != "dissatisfied" else "satisfied" for each in answer]
    assert "answered before" in await said(federation, "guangdong", *second, number, who=system, code=1)
    actors = federation.database("sichuan").rows("SELECT actor FROM audit WHERE action = 'AnswerSurvey'")
    assert ("region/guangdong/operator/counter",) in actors
