"""The names of sites, links and services on pages: one look for a whole page, never one for each row."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.api.federation.v1.problem_pb2 import NetworkElement, NetworkElementKind
from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.region.v1.fault_service_pb2 import FindPlacesRequest, FoundPlace
from gateway.errors import Refused
from gateway.web.console.pages import Calling, unless_refused
from gateway.web.enum_words import told_word
from gateway.wording.languages import enumerated
from gateway.wording.terms import named
from region_node.console import rpcs
from region_node.network.measurements.objects import key_of, name_of


async def read_places(calling: Calling, text: str = "") -> Sequence[FoundPlace]:
    """The first 500 elements of the registry with a text in their words; none where they are refused."""
    answer = await unless_refused(calling.ask(rpcs.FIND_PLACES, FindPlacesRequest(text=text)))
    return () if isinstance(answer, Refused) else answer.places


def names_of(places: Iterable[FoundPlace]) -> Mapping[str, str]:
    """The names of elements, each with its id, by their keys: `site/…`, `link/…`, `service/…`."""
    return {key_of(each.object): named(name_of(each.object), each.name) for each in places}


def told_object(about: NetworkObject, names: Mapping[str, str]) -> str:
    """An element by its name and its id; by the id alone where `names` lacks it."""
    return names.get(key_of(about), name_of(about))


def told_services(services: Iterable[str], names: Mapping[str, str]) -> str:
    """Services in one line, each as in `told_object`."""
    return enumerated(told_object(NetworkObject(service=each), names) for each in services)


def named_element(element: NetworkElement, names: Mapping[str, str]) -> str:
    """An element of a problem as in `told_object`."""
    return names.get(f"{told_word(NetworkElementKind.DESCRIPTOR, element.kind)}/{element.id}", element.id)
