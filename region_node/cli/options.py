"""The options that many commands share, the ids of requests, and answers as JSON."""

import uuid

import click
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.api.types.v1.types_pb2 import Channel, Requester
from region_node.cli.connection import CHANNELS

staff_option = click.option("--staff-id", default="", help="Who asks; members of staff need not say so.")
required_staff_option = click.option("--staff-id", required=True, help="Who asks.")
channel_option = click.option(
    "--channel", type=click.Choice(CHANNELS), default="counter", show_default=True, help="How the customer came."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer of the node as JSON.")
summary_json_option = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
request_option = click.option(
    "--request-id", default="", help="The same id does the same thing once. Made up where it is not given."
)


def request_id_of(given: str) -> str:
    """The request id that was given, or a new one."""
    return given or uuid.uuid4().hex


def requester_of(staff_id: str, channel: str) -> Requester:
    """Who asks, and by which of `CHANNELS` the customer came."""
    return Requester(staff_id=staff_id, channel=Channel.Value(f"CHANNEL_{channel.upper()}"))


def print_message(message: Message) -> None:
    """Prints a message as JSON, with the names of the contract."""
    click.echo(json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False))
