"""Questions about another network: links as they would be with other figures."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.api.federation.v1.network_pb2 import Link
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import unknown

FIGURES = ("capacity_mbps", "delay_us", "delay_variation_us", "loss_ppb")
"""The figures of a link that a change may name."""
_LONGEST = 9  # digits

Change = tuple[str, Mapping[str, int]]
"""The id of a link, and its new figures by name."""


def parsed_change(said: str) -> Change | None:
    """The change that `LINK:FIGURE=NUMBER[,...]` says; None for any other text."""
    link, _, told = said.partition(":")
    figures: dict[str, int] = {}
    for each in told.split(","):
        figure, _, number = each.partition("=")
        if figure not in FIGURES or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST:
            return None
        figures[figure] = int(number)
    return link, figures


def changed_links(known: Iterable[Link], changes: Sequence[Change]) -> Sequence[Link]:
    """The links of `changes` as they would be after these. Raises Refused with LINK_UNKNOWN."""
    before, after = {each.id: each for each in known}, dict[str, Link]()
    for link, figures in changes:
        if link not in before:
            raise unknown(Reason.REASON_LINK_UNKNOWN, before, link=link)
        if link not in after:
            after[link] = Link()
            after[link].CopyFrom(before[link])
        for figure, number in figures.items():
            setattr(after[link], figure, number)
    return list(after.values())
