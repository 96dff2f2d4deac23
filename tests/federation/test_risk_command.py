"""The register of risks at a coordinator: a risk by hand from its begin to its end, typed and called."""

import json
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1 import risk_service_pb2 as contract
from gateway.api.coordinator.v1.risk_service_pb2_grpc import RiskServiceStub
from gateway.time.clock import to_timestamp
from tests.federation.commands import as_administrator, run_command
from tests.federation.running import CALL_SECONDS, Federation
from tests.preloaded import Ended


@pytest.mark.files  # no part of it depends on the engine
@pytest.mark.clause("1.4.5")
@pytest.mark.clause("11.1")
@pytest.mark.clause("11.2")
@pytest.mark.clause("11.3")
@pytest.mark.clause("11.4")
async def test_a_risk_is_added_planned_reviewed_and_closed_and_stands_in_the_matrix(
    federation: Federation, tmp_path: Path
) -> None:
    service = RiskServiceStub(federation.dial_coordinator("admin/root"))
    risk = "administrator/r-1"

    async def typed(*arguments: str, language: str = "en") -> Ended:
        environment = as_administrator(federation) | {"CROSSREGION_LANG": language}
        return await run_command("coordinator.cli.main", "risks", *arguments, environment=environment)

    async def decided(**change: object) -> contract.Risk:
        request = contract.ChangeRiskRequest(risk_id=risk, note="n", **change)  # type: ignore[arg-type]
        return (await service.ChangeRisk(request, timeout=CALL_SECONDS)).risk

    supplier = ("one supplier", "--likelihood", "4", "--impact", "5", "--owner", "henan", "--request-id", "r-1")
    added = await typed("add", *supplier, "--department", "NETWORK_OPERATIONS")
    assert (added.code, added.out.strip()) == (0, risk), added.err
    listed = await typed("list", language="zh")
    for told in ("可能性 \\ 影响", "20 极高", risk):
        assert told in listed.out, told
    accepted = await typed("plan", risk, "--note", "there is no other", language="zh")
    assert "20 极高" in accepted.out, accepted.err
    due = to_timestamp(federation.clock.now() + timedelta(days=30))
    await decided(plan=contract.RiskPlan(plan="a second one", due_time=due))
    await decided(review=contract.RiskReview())
    written = await typed("report", "--out", str(tmp_path / "risks.html"), language="zh")
    assert (written.code, "one supplier" in (tmp_path / "risks.html").read_text("utf-8")) == (0, True), written.err
    closed = await decided(close=contract.RiskClosing())
    assert closed == await decided(close=contract.RiskClosing()), "the same decision again"
    shown = json.loads((await typed("show", risk, "--json")).out)
    acts = [each["act"].removeprefix("RISK_ACT_") for each in shown["risk"]["history"]]
    assert acts == ["ADDED", "PLANNED", "PLANNED", "REVIEWED", "CLOSED"]
    judged = await typed("list", "--region", "henan", language="zh")
    assert "按时完成的计划：1/1" in judged.out, judged.out
    assert shown["on_duty"]["contact"]["telephone"]
    with pytest.raises(grpc.aio.AioRpcError) as over:
        await decided(review=contract.RiskReview())
    assert over.value.code() == grpc.StatusCode.FAILED_PRECONDITION
