"""The effect of an improvement action on its figure: the month before it, and the month after its end. Pure."""

from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition, ScorecardDirection
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction, ImprovementEffect
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure
from gateway.time.clock import from_timestamp
from gateway.values.scorecard_figures import WITHOUT_INTERVAL
from region_node.business.billing.rules import Month

_HIGHER = ScorecardDirection.SCORECARD_DIRECTION_HIGHER


def months_of(action: ImprovementAction, time_zone: str) -> tuple[Month, Month | None]:
    """The last whole month before the recording, and the first one after the end; None for an open action."""
    before = Month.at(from_timestamp(action.create_time), time_zone).before(1)
    after = Month.at(from_timestamp(action.finish_time), time_zone).next() if action.HasField("finish_time") else None
    return before, after


def effect_of(
    definition: ScorecardDefinition, before: MeasuredFigure, after: MeasuredFigure
) -> ImprovementEffect.ValueType:
    """Whether a figure improved. Only intervals that are apart show it, which is stricter than a test of 5 %."""
    if not (before.HasField("value") and after.HasField("value")):
        return ImprovementEffect.IMPROVEMENT_EFFECT_TOO_FEW
    if definition.figure in WITHOUT_INTERVAL:
        return ImprovementEffect.IMPROVEMENT_EFFECT_WITHOUT_INTERVAL
    if not (before.HasField("low") and after.HasField("low")):
        return ImprovementEffect.IMPROVEMENT_EFFECT_TOO_FEW
    if before.low <= after.high and after.low <= before.high:
        return ImprovementEffect.IMPROVEMENT_EFFECT_NOT_SHOWN
    is_better = (after.value > before.value) == (definition.direction == _HIGHER)
    return ImprovementEffect.IMPROVEMENT_EFFECT_BETTER if is_better else ImprovementEffect.IMPROVEMENT_EFFECT_WORSE
