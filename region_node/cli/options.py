"""The options that many commands share, the ids of requests, and answers as JSON."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.languages import translated
from gateway.money import minor_units_of
from gateway.settings.page import text_in
from gateway.settings.sources import Sources
from region_node.cli.connection import CHANNELS

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class _StaffOption(click.Option):
    """`--staff-id`, also by the environment or the settings of the node, where there are some."""

    def value_from_envvar(self, ctx: click.Context) -> str | None:
        """See click."""
        told: str | None = super().value_from_envvar(ctx)
        return told or text_in(Sources.of_environment("REGION_NODE_"), "staff_id") or None


def staff_id_option(help_text: str, *, required: bool = False) -> Callable[[Decorated], Decorated]:
    """The option that says which member of staff asks; without `required` it may be empty."""
    option = partial(
        click.option,
        "--staff-id",
        cls=_StaffOption,
        envvar="CROSSREGION_STAFF_ID",
        show_envvar=True,
        help=help_text,
    )
    return option(required=True) if required else option(default="")


class AmountType(click.ParamType[int]):
    """An amount of money, in minor units however it is written; never nothing."""

    name = "amount"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        amount = minor_units_of(str(value))
        if not amount:
            self.fail(not_an_amount(str(value)), param, ctx)
        return amount


def not_an_amount(written: str) -> str:
    """What to say of something that is no amount."""
    return translated("Not an amount, as 1200 (fen) or 12.00 (yuan, with a point): {text}", text=written)


staff_option = staff_id_option("Who asks; required of an operator system, members of staff need not say so.")
required_staff_option = staff_id_option("Who asks.", required=True)
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
