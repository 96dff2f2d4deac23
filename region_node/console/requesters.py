"""The requester of what staff take in for a customer: the person of the certificate, and the customer's channel."""

from collections.abc import Mapping

from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import invalid
from gateway.web.console.entries import Field, value_chosen
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Option
from gateway.web.enum_words import told_word
from gateway.wording.languages import translated

CHANNEL = "channel"
"""The field with the channel."""


def channel_field() -> Field:
    """The field for the channel, of those by which staff serve a customer."""
    options = [Option(said, name) for said, name in _names().items()]
    return Field(CHANNEL, "choice", translated("The customer is"), options[0].value, options=options)


def requester_of(visit: Visit) -> Requester:
    """The requester of a form that was sent. Raises Refused without a channel of staff: no customer is alone here."""
    channel = Channel.ValueType(value_chosen(visit, CHANNEL, Channel.DESCRIPTOR))
    if visit.form.text(CHANNEL) not in _names():
        raise invalid(CHANNEL, "is no channel by which staff serve a customer", "不是工作人员受理的渠道")
    return Requester(staff_id=visit.person.name, channel=channel)


def _names() -> Mapping[str, str]:
    names = {Channel.CHANNEL_COUNTER: translated("at the counter"), Channel.CHANNEL_HOTLINE: translated("on the phone")}
    return {told_word(Channel.DESCRIPTOR, each): name for each, name in names.items()}
