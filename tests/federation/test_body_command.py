"""`coordinator body` and `region-node body`: members, persons on duty and the matrix, in both languages."""

import json

import pytest

from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.running import Federation

NIGHT = "2026-12-24T22:00+08:00"


@pytest.mark.files  # no part of it depends on the engine
@pytest.mark.clause("10.3(1)")
async def test_administrators_and_staff_see_members_persons_on_duty_and_the_matrix_at_an_instant(
    federation: Federation,
) -> None:
    admin, staff = as_administrator(federation), as_caller(federation, "henan", "staff/wang", language="zh")
    shown = await run_command("coordinator.cli.main", "body", "--at", NIGHT, environment=admin)
    assert shown.code == 0, shown.err
    for told in ("Members", "Chair", "On duty at 2026-12-24 22:00 +08:00", "beijing COORDINATION", "4 h of working"):
        assert told in shown.out, told
    asked = ("body", "--at", NIGHT, "--region", "henan", "--json")
    known = json.loads((await run_command("coordinator.cli.main", *asked, environment=admin)).out)["body"]
    words = ("body", "--at", NIGHT, "--in-region", "henan")
    theirs = json.loads((await run_command("region_node.cli.main", *words, "--json", environment=staff)).out)["body"]
    unset = {"stands_in": False}  # in the JSON of `coordinator` alone
    assert [each | unset for each in theirs["on_duty"]] == known["on_duty"]
    assert {each["region"] for each in [*known["members"], *known["on_duty"]]} == {"henan"}
    billing = next(each for each in known["on_duty"] if each["department"] == "BILLING")
    assert (billing["contact"]["staff_id"], billing["end_time"]) == ("henan-service-3", "2026-12-25T00:30:00Z")
    in_chinese = await run_command("region_node.cli.main", *words, environment=staff)
    assert in_chinese.code == 0, in_chinese.err
    for told in ("职责分工", billing["contact"]["telephone"], "跨地区服务协调中心"):
        assert told in in_chinese.out, told
    assert "COORDINATION" not in in_chinese.out


@pytest.mark.files
async def test_the_body_of_an_unknown_region_and_of_another_age_is_refused(federation: Federation) -> None:
    admin, staff = as_administrator(federation), as_caller(federation, "henan", "staff/wang")
    for module, option, environment in (
        ("coordinator.cli.main", "--region", admin),
        ("region_node.cli.main", "--in-region", staff),
    ):
        unknown = await run_command(module, "body", option, "hennan", environment=environment)
        assert (unknown.code, "REGION_UNKNOWN" in unknown.err) == (1, True), unknown.err
        far = await run_command(module, "body", "--at", "2099-01-01T00:00Z", environment=environment)
        assert (far.code, "REQUEST_INVALID" in far.err) == (1, True), module
