"""JSON that others have written, as messages of the contract."""

import json
import re

import pytest
from google.protobuf.json_format import ParseError

from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.survey_service_pb2 import SurveyFigure
from gateway.values.json_messages import message_from, message_of

TEXTS = {
    '{"state": 1e400}': "state",
    '{"version": 1, "state": -1e400}': "state",
    '{"id": "J1", "items": [{"region": "henan"}, {"state": 1e400}]}': "items[1].state",
    '{"home_region": "henan", "awaiting": [{"milestone": 1e400}]}': "awaiting[0].milestone",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_number_beyond_any_field_is_no_message_and_its_field_is_named(text: str) -> None:
    told = f"Failed to parse {TEXTS[text]} field: the number is too large"
    with pytest.raises(ParseError, match=f"^{re.escape(told)}$"):
        message_from(text, JointOrder())
    with pytest.raises(ParseError, match=f"^{re.escape(told)}$"):
        message_of(json.loads(text), JointOrder())


def test_a_whole_number_beyond_every_fraction_is_too_large_as_well() -> None:
    with pytest.raises(ParseError, match="Failed to parse value field"):
        message_of({"value": 10**400}, SurveyFigure())


def test_what_is_a_message_is_read_and_what_is_no_json_is_none() -> None:
    assert message_from('{"state": 1}', JointOrder()) == message_of({"state": 1}, JointOrder())
    with pytest.raises(ParseError):
        message_from("{", JointOrder())
