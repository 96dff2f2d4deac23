"""The steps that staff can take on an alarm as it is. Pure: the RPCs leave an alarm that has taken one as it is."""

from collections.abc import Iterator

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState

ACKNOWLEDGE, CLEAR = "acknowledge", "clear"


def steps_of(alarm: Alarm) -> Iterator[str]:
    """The steps that change something."""
    if alarm.state == AlarmState.ALARM_STATE_CLEARED:
        return
    if alarm.ack_state != AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED:
        yield ACKNOWLEDGE
    yield CLEAR
