"""The objects of alarms and measurements: sites, links and services of the registry with a part in this region."""

from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry

SITE, LINK, SERVICE = "site", "link", "service"


def require_own(network: NetworkRegistry, region: str, kind: str, name: str) -> str:
    """The key of an object on which the region reports: `<kind>/<name>`.

    A region reports on its own sites and services, and on links with an end in it. Raises Refused with SITE_UNKNOWN,
    LINK_UNKNOWN, NETWORK_SERVICE_UNKNOWN, NETWORK_OBJECT_ELSEWHERE, or REQUEST_INVALID for a missing object.
    """
    if kind == LINK:
        link = network.link(name)
        owner = region if region in network.regions_of(link) else link.region
    elif kind == SERVICE:
        owner = network.service(name).region
    elif kind == SITE:
        owner = network.site(name).region
    else:
        raise invalid("object", "not set", "未填写")
    if owner != region:
        raise Refused(Reason.REASON_NETWORK_OBJECT_ELSEWHERE, object=f"{kind}/{name}", region=owner)
    return f"{kind}/{name}"


def object_by_id(network: NetworkRegistry, name: str) -> NetworkObject:
    """The object with an id, of whatever kind.

    Raises Refused with NETWORK_OBJECT_UNKNOWN, or REQUEST_INVALID where objects of several kinds have the id.
    """
    kinds = ((SITE, network.sites), (LINK, network.links), (SERVICE, network.services))
    found = [kind for kind, known in kinds if name in known]
    if not found:
        raise Refused(Reason.REASON_NETWORK_OBJECT_UNKNOWN, object=name)
    if len(found) > 1:
        raise invalid("object_id", f"is the id of a {' and of a '.join(found)}", "对应多种网络资源")
    return object_of(f"{found[0]}/{name}")


def key_of(about: NetworkObject) -> str:
    """The key of an object; empty where none is set."""
    kind = about.WhichOneof("object")
    return f"{kind}/{getattr(about, kind)}" if kind else ""


def name_of(about: NetworkObject) -> str:
    """The id of an object without its kind."""
    return about.site or about.link or about.service


def object_of(key: str) -> NetworkObject:
    """The object of a key."""
    kind, _, name = key.partition("/")
    if kind == LINK:
        return NetworkObject(link=name)
    return NetworkObject(service=name) if kind == SERVICE else NetworkObject(site=name)


def affected_services(network: NetworkRegistry, key: str) -> list[str]:
    """The services that use an object, or are it, by id."""
    kind, _, name = key.partition("/")
    if kind == SERVICE:
        return [name]
    found = network.services_on(links=[name]) if kind == LINK else network.services_on(sites=[name])
    return [each.id for each in found]
