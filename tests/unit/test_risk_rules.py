"""The scales and signals of risks: each problem of their data is named with its path."""

from collections.abc import Callable

from deploy.local.federation import FEDERATION_FILES
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSource
from gateway.federation.files import dump, load
from gateway.federation.risk_rules import risks_problems

SHIPPED = load(FEDERATION_FILES)
LOST = "risks.signals[RISK_SOURCE_REGION_LOST]"


def problems_after(change: Callable[[RiskRules], object]) -> list[str]:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    change(configuration.risks)
    return list(risks_problems(configuration))


def test_the_shipped_register_has_every_signal_and_no_problem() -> None:
    assert list(risks_problems(SHIPPED)) == []
    listed = {each.source for each in SHIPPED.risks.signals}
    assert listed == set(RiskSource.values()) - {0, RiskSource.RISK_SOURCE_ADMINISTRATOR}


def test_a_federation_without_a_register_has_no_problem_of_it() -> None:
    assert list(risks_problems(Configuration())) == []


def test_the_register_is_written_as_a_file_of_its_own() -> None:
    assert "risks.yaml" in dump(SHIPPED)


def test_each_mistake_is_named_with_its_path() -> None:
    mistakes: dict[str, Callable[[RiskRules], object]] = {
        "risks.likelihoods: there must be 5 grades": lambda risks: risks.likelihoods.pop(),
        "risks.impacts[2].name.en: the text is missing": lambda risks: risks.impacts[1].name.ClearField("en"),
        "risks.bands: least_score must begin at 1 and ascend to at most 25": lambda risks: risks.bands.pop(0),
        "risks.bands[1].review_interval: must be whole seconds, 1 s to 366 days": lambda risks: risks.bands[
            0
        ].ClearField("review_interval"),
        f"{LOST}.impact: must be 1 to 5": lambda risks: setattr(risks.signals[0], "impact", 6),
        f"{LOST}.likelihood_after: must not be above likelihood": lambda risks: setattr(
            risks.signals[0], "likelihood", 1
        ),
        f"{LOST}.department: unknown department 'NOBODY'": lambda risks: setattr(
            risks.signals[0], "department", "NOBODY"
        ),
        f"{LOST}.false_alarm_days: complaints have it, and no other source": lambda risks: setattr(
            risks.signals[0], "false_alarm_days", 1
        ),
        f"{LOST}.basis: must be 1 to 200 characters": lambda risks: risks.signals[0].ClearField("basis"),
        "risks.signals[RISK_SOURCE_DELIVERY_LATE]: stands here twice": lambda risks: setattr(
            risks.signals[0], "source", RiskSource.RISK_SOURCE_DELIVERY_LATE
        ),
        "risks.signals[RISK_SOURCE_ADMINISTRATOR].source: people raise no signal": lambda risks: setattr(
            risks.signals[0], "source", RiskSource.RISK_SOURCE_ADMINISTRATOR
        ),
    }
    missed = {told: found for told, change in mistakes.items() if (found := problems_after(change)) != [told]}
    assert missed == {}
