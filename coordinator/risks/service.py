"""RiskService: administrators read the register of risks, and decide about risks."""

from dataclasses import dataclass

import grpc

from coordinator.membership.members import members_of
from coordinator.membership.rules import require_configured
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered
from coordinator.risks import rules
from gateway.api.coordinator.v1 import risk_service_pb2 as contract
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.coordinator.v1.risk_service_pb2_grpc import RiskServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, unknown
from gateway.federation.body import Body
from gateway.rpc.calls import current_call
from gateway.rpc.pages import page_after
from gateway.time.agreed_clock import AgreedClock


@dataclass(frozen=True)
class RiskPorts:
    """The ports of the service."""

    registry: Registry
    clock: AgreedClock


class RiskService(RiskServiceServicer):
    """See the contract."""

    def __init__(self, ports: RiskPorts) -> None:
        self._ports = ports
        self._risks = ports.registry.risks

    async def ListRisks(
        self,
        request: contract.ListRisksRequest,
        context: grpc.aio.ServicerContext[contract.ListRisksRequest, contract.ListRisksResponse],
    ) -> contract.ListRisksResponse:
        """See the contract."""
        if request.region:
            self._require_region(request.region)
        risks, now = await self._risks.all(), self._ports.clock.now()
        found = rules.listed(risks, request, now)
        page, token = page_after("risks", found, rules.place, request.page_size, request.page_token)
        answer = contract.ListRisksResponse(risks=page, next_page_token=token)
        if not request.page_token:
            answer.rules.CopyFrom(self._configuration().risks)
            answer.plans.CopyFrom(rules.plans_of(risks, request.region, now))
        return answer

    async def GetRisk(
        self,
        request: contract.GetRiskRequest,
        context: grpc.aio.ServicerContext[contract.GetRiskRequest, contract.GetRiskResponse],
    ) -> contract.GetRiskResponse:
        """See the contract."""
        risk = _require(next((each for each in await self._risks.all() if each.id == request.risk_id), None), request)
        configuration = self._configuration()
        duty = Body(configuration).on_duty(risk.owner_region, risk.owner_department, self._ports.clock.now())
        return contract.GetRiskResponse(
            risk=risk, on_duty=duty if duty.HasField("contact") else None, rules=configuration.risks
        )

    async def AddRisk(
        self,
        request: contract.AddRiskRequest,
        context: grpc.aio.ServicerContext[contract.AddRiskRequest, contract.AddRiskResponse],
    ) -> contract.AddRiskResponse:
        """See the contract."""
        rules.require_added(request)
        scales, actor, now = self._scales(), current_call().identity.path, self._ports.clock.settled_now()
        self._require_region(request.owner_region)
        self._require_department(request.owner_department)
        name = rules.added_id(request)
        risk = await self._risks.change(
            name,
            lambda before: rules.added(before, request, actor, scales, now),
            Administered(actor, "RISK_ADDED", f"risk/{name}"),
        )
        return contract.AddRiskResponse(risk=risk)

    async def ChangeRisk(
        self,
        request: contract.ChangeRiskRequest,
        context: grpc.aio.ServicerContext[contract.ChangeRiskRequest, contract.ChangeRiskResponse],
    ) -> contract.ChangeRiskResponse:
        """See the contract."""
        scales, actor, now = self._scales(), current_call().identity.path, self._ports.clock.settled_now()
        rules.require_change(request, now)
        if request.plan.owner_region:
            self._require_region(request.plan.owner_region)
        if request.plan.owner_department:
            self._require_department(request.plan.owner_department)
        risk = await self._risks.change(
            request.risk_id,
            lambda before: rules.changed(_require(before, request), request, actor, scales, now),
            Administered(actor, _ACTIONS[request.WhichOneof("change") or ""], f"risk/{request.risk_id}"),
        )
        return contract.ChangeRiskResponse(risk=risk, rules=scales)

    def _configuration(self) -> Configuration:
        return self._ports.registry.snapshot().configuration or Configuration()

    def _scales(self) -> RiskRules:
        """The scales in force. Raises Refused with RISKS_NOT_DEFINED."""
        configuration = self._configuration()
        if not configuration.HasField("risks"):
            raise Refused(Reason.REASON_RISKS_NOT_DEFINED)
        return configuration.risks

    def _require_region(self, region: str) -> None:
        require_configured(members_of(self._ports.registry.snapshot()), region)

    def _require_department(self, code: str) -> None:
        configuration = self._configuration()
        known = {each.code for each in configuration.body.departments}
        known |= {each.code for category in configuration.complaint_categories for each in category.departments}
        if code not in known:
            raise unknown(Reason.REASON_DEPARTMENT_UNKNOWN, known, department=code)


_ACTIONS = {"assess": "RISK_ASSESSED", "plan": "RISK_PLANNED", "review": "RISK_REVIEWED", "close": "RISK_CLOSED"}


def _require(risk: Risk | None, request: contract.GetRiskRequest | contract.ChangeRiskRequest) -> Risk:
    if risk is None:
        raise Refused(Reason.REASON_RISK_NOT_FOUND, risk=request.risk_id)
    return risk
