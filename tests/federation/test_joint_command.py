"""`region-node joint` against regions that run."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format

from tests.federation.commands import as_caller, run_command
from tests.federation.joint_staff import JointStaff, with_broadband
from tests.federation.running import Federation


async def said(federation: Federation, region: str, *words: str, code: int = 0) -> str:
    """The output of the command, as staff of a region."""
    ended = await run_command("region_node.cli.main", *words, environment=as_caller(federation, region, "staff/wang"))
    assert ended.code == code, ended.err
    return ended.out + ended.err


@pytest.mark.files  # the commands are the same on either engine
async def test_a_joint_order_is_submitted_shown_worked_on_and_cancelled_by_commands(
    federation: Federation, tmp_path: Path
) -> None:
    south, file = JointStaff(federation, "guangdong"), tmp_path / "move.json"
    number = await with_broadband(federation, "sichuan")
    request = south.request("BB_MOVE", ["sichuan", "henan"], number)
    request.ClearField("request_id")
    file.write_text(json_format.MessageToJson(request), encoding="utf-8")
    order_id = json.loads(await said(federation, "guangdong", "joint", "submit", str(file), "--json"))["id"]
    for region in ("sichuan", "henan"):
        await JointStaff(federation, region).follows(order_id, lambda each: each.version > 0, "taken in")
    await said(federation, "henan", "joint", "work", order_id, "install", "--reserved")
    shown = await said(federation, "guangdong", "joint", "show", order_id)
    for each in ("surveying; waits for", "sichuan人民路1号", "Every reservation holds until", "remove", "survey"):
        assert each in shown, each
    assert order_id in await said(federation, "sichuan", "joint", "list", "--state", "surveying")
    assert "Refused" in await said(
        federation, "sichuan", "joint", "work", order_id, "remove", "--reached", "test", code=1
    )
    await said(federation, "sichuan", "joint", "work", order_id, "remove", "--refused", "线路共用")
    assert "failed" in await said(federation, "sichuan", "joint", "watch", order_id)
    shown = await said(federation, "guangdong", "joint", "--lang", "zh", "show", order_id)
    assert "Installation at the new address (install)" in await said(federation, "henan", "joint", "show", order_id)
    for each in ("线路共用", "已决定：全部解除", "宽带跨区移机", "旧址拆机"):
        assert each in shown, each
    assert "Refused" in await said(federation, "guangdong", "joint", "cancel", order_id, "too late", code=1)
