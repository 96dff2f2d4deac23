"""The registry of the network: what it must keep to, what ships, and look-ups."""

import math
from collections.abc import Callable

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.network_pb2 import GeographicPoint, Link, NetworkService, QualityClass, Site
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.rules import problems
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
NETWORK = Federation(1, SHIPPED).network


def site(configuration: Configuration) -> Site:
    return next(each for each in configuration.network.sites if each.id == "chengdu")


def link(configuration: Configuration) -> Link:
    return next(each for each in configuration.network.links if each.id == "chengdu-guangzhou-1")


def service(configuration: Configuration) -> NetworkService:
    return next(each for each in configuration.network.services if each.id == "lines-chengdu-guangzhou")


def quality_class(configuration: Configuration) -> QualityClass:
    return next(each for each in configuration.network.quality_classes if each.name == "y1541-0")


BROKEN: list[tuple[Callable[[Configuration], object], str]] = [
    (lambda c: c.network.sites.append(site(c)), "network.sites[chengdu]: stands here twice"),
    (lambda c: c.network.links.append(link(c)), "network.links[chengdu-guangzhou-1]: stands here twice"),
    (lambda c: c.network.services.append(service(c)), "network.services[lines-chengdu-guangzhou]: stands here twice"),
    (lambda c: c.network.quality_classes.append(quality_class(c)), "network.quality_classes[y1541-0]: stands here"),
    (lambda c: setattr(site(c), "region", "atlantis"), "network.sites[chengdu].region: unknown region 'atlantis'"),
    (lambda c: site(c).ClearField("name"), "network.sites[chengdu].name.zh_cn: the text is missing"),
    (lambda c: setattr(site(c).location, "latitude", -91), "network.sites[chengdu].location.latitude: must be -90 to"),
    (lambda c: setattr(site(c).location, "longitude", math.nan), "sites[chengdu].location.longitude: must be -180 to"),
    (lambda c: setattr(link(c), "site_b", "atlantis"), "links[chengdu-guangzhou-1].site_b: unknown site 'atlantis'"),
    (lambda c: setattr(link(c), "site_b", "chengdu"), "links[chengdu-guangzhou-1].site_b: is the other end, too"),
    (lambda c: setattr(link(c), "region", "henan"), "links[chengdu-guangzhou-1].region: must be that of one of its"),
    (lambda c: setattr(link(c), "capacity_mbps", 0), "links[chengdu-guangzhou-1].capacity_mbps: must be positive"),
    (lambda c: setattr(link(c), "delay_us", 0), "links[chengdu-guangzhou-1].delay_us: must be positive"),
    (lambda c: setattr(link(c), "delay_variation_us", -1), "delay_variation_us: must not be negative"),
    (lambda c: setattr(link(c), "loss_ppb", 2_000_000_000), "links[chengdu-guangzhou-1].loss_ppb: must be 0 to"),
    (lambda c: service(c).links.append("none"), "services[lines-chengdu-guangzhou].links: unknown link 'none'"),
    (lambda c: service(c).sites.append("none"), "services[lines-chengdu-guangzhou].sites: unknown site 'none'"),
    (lambda c: service(c).CopyFrom(NetworkService(id="lines")), "uses neither a site nor a link"),
    (lambda c: setattr(service(c), "quality_class", "gold"), "quality_class: unknown class 'gold'"),
    (lambda c: setattr(quality_class(c), "loss_ppb", -1), "quality_classes[y1541-0]: a bound must not be negative"),
    (lambda c: setattr(quality_class(c), "source", " "), "quality_classes[y1541-0].source: is missing"),
]


@pytest.mark.parametrize(("change", "told"), BROKEN, ids=[told for _, told in BROKEN])
def test_what_is_wrong_is_told_with_its_path(change: Callable[[Configuration], object], told: str) -> None:
    broken = Configuration()
    broken.CopyFrom(SHIPPED)
    change(broken)
    assert any(told in problem for problem in problems(broken)), problems(broken)


def test_every_region_has_a_site_and_every_site_a_link() -> None:
    assert {each.region for each in NETWORK.sites.values()} == {each.id for each in SHIPPED.regions}
    assert [each for each in NETWORK.sites if not NETWORK.links_at(each)] == []


def test_the_designed_delays_of_the_shipped_links_are_those_of_the_distance_between_their_sites() -> None:
    for each in NETWORK.links.values():
        one, other = (NETWORK.site(end).location for end in (each.site_a, each.site_b))
        assert each.delay_us == pytest.approx(kilometres(one, other) * 1.4 * 4.9, rel=0.06), each.id


def kilometres(one: GeographicPoint, other: GeographicPoint) -> float:
    """The distance as the crow flies, on a sphere."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    apart = math.radians(one.longitude - other.longitude)
    return 6371 * math.acos(math.sin(north) * math.sin(south) + math.cos(north) * math.cos(south) * math.cos(apart))


def test_a_link_between_provinces_is_of_two_regions() -> None:
    assert NETWORK.regions_of(NETWORK.link("chengdu-guangzhou-1")) == {"sichuan", "guangdong"}
    assert NETWORK.regions_of(NETWORK.link("chengdu-xichang-1")) == {"sichuan"}


def test_services_are_found_by_what_they_use() -> None:
    found = NETWORK.services_on(sites=["guangzhou"], links=["chengdu-zhengzhou-1"])
    assert [each.id for each in found] == [
        "broadband-guangzhou",
        "lines-chengdu-guangzhou",
        "lines-chengdu-zhengzhou",
        "lines-guangzhou-zhengzhou",
    ]
    assert NETWORK.services_on() == ()


@pytest.mark.parametrize(
    ("look_up", "reason"),
    [
        (NETWORK.site, Reason.REASON_SITE_UNKNOWN),
        (NETWORK.link, Reason.REASON_LINK_UNKNOWN),
        (NETWORK.service, Reason.REASON_NETWORK_SERVICE_UNKNOWN),
        (NETWORK.quality_class, Reason.REASON_QUALITY_CLASS_UNKNOWN),
    ],
)
def test_what_is_not_there_is_refused_by_its_kind(look_up: Callable[[str], object], reason: Reason.ValueType) -> None:
    with pytest.raises(Refused) as refused:
        look_up("none")
    assert refused.value.reason == reason
