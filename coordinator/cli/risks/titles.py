"""The titles of risks."""

from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSource
from gateway.wording.languages import in_language
from gateway.wording.words import word


def title_of(rules: RiskRules, risk: Risk) -> str:
    """The title by the person who added it, or that of its signal."""
    found = next((in_language(each.title) for each in rules.signals if each.source == risk.source), "")
    return risk.title or found or word(RiskSource.Name(risk.source), "RISK_SOURCE_")
