"""The steps that the page of an alarm offers to staff."""

import pytest

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState
from region_node.network.measurements.steps import steps_of

SEEN, NOT_SEEN = AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED, AlarmAckState.ALARM_ACK_STATE_UNACKNOWLEDGED


@pytest.mark.parametrize(
    ("state", "seen", "steps"),
    [
        (AlarmState.ALARM_STATE_RAISED, NOT_SEEN, "acknowledge clear"),
        (AlarmState.ALARM_STATE_UPDATED, SEEN, "clear"),
        (AlarmState.ALARM_STATE_CLEARED, NOT_SEEN, ""),
        (AlarmState.ALARM_STATE_CLEARED, SEEN, ""),
    ],
)
def test_an_alarm_takes_the_steps_that_change_something(
    state: AlarmState.ValueType, seen: AlarmAckState.ValueType, steps: str
) -> None:
    assert list(steps_of(Alarm(state=state, ack_state=seen))) == steps.split()
