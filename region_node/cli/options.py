"""The options that many commands share, the ids of requests, and answers as JSON."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click

from gateway.api.types.v1.types_pb2 import Applicant
from gateway.settings.page import text_in
from gateway.settings.sources import Sources
from gateway.values.money import minor_units_of
from gateway.wording.languages import translated
from region_node.cli.connection import CHANNELS, own_staff_id

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class _StaffOption(click.Option):
    """`--staff-id`, also from the environment or the settings of the node, if there are any.

    A required one is that of a certificate of a member of staff, where nothing else says it.
    """

    def value_from_envvar(self, ctx: click.Context) -> str | None:
        """See click."""
        told: str | None = super().value_from_envvar(ctx)
        told = told or text_in(Sources.of_environment("REGION_NODE_"), "staff_id")
        return told or (own_staff_id(ctx) if self.required else None)


def staff_id_option(help_text: str, *, required: bool = False) -> Callable[[Decorated], Decorated]:
    """The option for the caller's staff id; without `required` it may be empty."""
    option = partial(
        click.option, "--staff-id", cls=_StaffOption, envvar="CROSSREGION_STAFF_ID", show_envvar=True, help=help_text
    )
    return option(required=True) if required else option(default="")


class AmountType(click.ParamType[int]):
    """An amount of money, in minor units however it is written; never zero."""

    name = "amount"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click."""
        amount = minor_units_of(str(value))
        if not amount:
            self.fail(not_an_amount(str(value)), param, ctx)
        return amount


def not_an_amount(written: str) -> str:
    """The message about a text that is no amount."""
    return translated("Not an amount, as 1200 (fen) or 12.00 (yuan, with a point): {text}", text=written)


staff_option = staff_id_option("Who asks; required of an operator system, members of staff need not say so.")
recorded_staff_option = staff_id_option("Who asks, recorded beside your certificate; required where several share it.")
required_staff_option = staff_id_option("Who asks; members of staff need not say so.", required=True)
channel_option = click.option(
    "--channel", type=click.Choice(CHANNELS), default="counter", show_default=True, help="How the customer came."
)
summary_json_option = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
APPLICANTS = {
    "holder": Applicant.APPLICANT_HOLDER,
    "agent": Applicant.APPLICANT_AGENT,
    "enterprise": Applicant.APPLICANT_ENTERPRISE,
}
"""The possible applicants at a counter."""
