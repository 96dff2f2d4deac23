"""The parts of every list: filters and pages, all of which stand in the address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor

from gateway.api.region.v1.alarm_service_pb2 import ListAlarmsRequest, ListAlarmsResponse
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.fault_service_pb2 import ListFaultsRequest, ListFaultsResponse
from gateway.api.region.v1.order_service_pb2 import (
    GetOrderProofRequest,
    GetOrderProofResponse,
    ListOrdersRequest,
    ListOrdersResponse,
)
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.errors import Refused, invalid
from gateway.web.console.frames import Link
from gateway.web.console.pages import Calling, Rpc, Visit, unless_refused
from gateway.web.console.parts import Choice, Option
from gateway.web.enum_words import number_of, numbers_of
from gateway.web.tables import Table
from gateway.wording.languages import translated

NUMBER, PAGE = "number", "page"
"""The fields of every list: the number of a customer, and the token of a page."""
P = TypeVar(
    "P",
    ListOrdersResponse,
    ListComplaintsResponse,
    ListFaultsResponse,
    ListSupportRequestsResponse,
    GetOrderProofResponse,
    ListAlarmsResponse,
)
_Asking = (
    ListAlarmsRequest
    | ListOrdersRequest
    | ListComplaintsRequest
    | ListFaultsRequest
    | ListSupportRequestsRequest
    | GetOrderProofRequest
)


@dataclass(frozen=True)
class ListPage:
    """A list as `list.html.j2` shows it."""

    choices: Sequence[Choice]
    number_label: str
    number: str = field(repr=False)
    apply: str
    table: Table
    empty: str
    pages: Sequence[Link]
    """The links to the first and to the next page."""


async def pages_of(calling: Calling, rpc: Rpc[P], request: _Asking, most: int) -> Sequence[P]:
    """The pages of a list from its beginning, at most so many. The last one has a token where there is more.

    Raises Refused where the first one is; where a later one is, there is more.
    """
    found = [await calling.ask(rpc, request)]
    while found[-1].next_page_token and len(found) < most:
        request.page_token = found[-1].next_page_token
        following = await unless_refused(calling.ask(rpc, request))
        if isinstance(following, Refused):
            break
        found.append(following)
    return found


def chosen_of(visit: Visit, name: str, label: str, options: Sequence[Option]) -> Choice:
    """A filter of a list, of which any value may be chosen."""
    chosen = visit.query.text(name)
    is_known = chosen in ("", *(each.value for each in options))
    others = () if is_known else (Option(chosen, chosen),)  # which filters all the same
    return Choice(name, label, [Option("", translated("any")), *options, *others], chosen)


def chosen_value(visit: Visit, name: str, enum: EnumDescriptor) -> int:
    """The value of a filter; zero without it. Raises Refused for an unknown one."""
    said = visit.query.text(name)
    found = number_of(enum, said) if said else 0
    if found is None:
        known = numbers_of(enum)
        raise invalid(name, f"it is one of {', '.join(known)}", f"可用值为{'、'.join(known)}")
    return found


def one_of(visit: Visit, name: str, known: Sequence[str]) -> str:
    """The value of a filter with a few values of its own; empty without it. Raises Refused for an unknown one."""
    said = visit.query.text(name)
    if said not in ("", *known):
        raise invalid(name, f"it is one of {', '.join(known)}", f"可用值为{'、'.join(known)}")
    return said


def values(enum: EnumDescriptor, title: Callable[[int], str]) -> Sequence[Option]:
    """All values of an enum, to choose from."""
    return [Option(said, title(each)) for said, each in numbers_of(enum).items()]


def list_page(visit: Visit, path: str, choices: Sequence[Choice], table: Table, following: str) -> ListPage:
    """The page of a list at a path. `following` is the token of its next page; empty at its end."""
    number = visit.query.text(NUMBER)
    chosen = {**{each.name: each.chosen for each in choices}, NUMBER: number}
    links = []
    if visit.query.text(PAGE):
        links.append(Link(translated("The newest"), visit.address(path, **chosen)))
    if following:
        links.append(Link(translated("Older ones"), visit.address(path, **chosen, page=following)))
    return ListPage(
        choices=choices,
        number_label=translated("Number"),
        number=number,
        apply=translated("Show"),
        table=table,
        empty=translated("Nothing here."),
        pages=links,
    )
