"""The catalogue, asked by an operator system."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, Reach
from gateway.api.region.v1 import catalogue_service_pb2
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    ListBusinessesRequest,
    ListPlansRequest,
)
from gateway.api.region.v1.catalogue_service_pb2_grpc import (
    CatalogueServiceStub,
    add_CatalogueServiceServicer_to_server,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.rpc.channels import Dialer, invoke
from gateway.rpc.server import Service
from gateway.security.identity import server_name
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.time.clock import Clock
from region_node.business.catalogue.service import CatalogueService
from region_node.node.context import RegionContext
from region_node.schema import PACKAGES
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, Certificates, serving
from tests.contract.stores import SqliteAdapter
from tests.simulation.world import keys

T = TypeVar("T")
REGION = "guangdong"
DESCRIPTOR = catalogue_service_pb2.DESCRIPTOR.services_by_name["CatalogueService"]
TIMEOUT = 20.0
OWN_NUMBER, FOREIGN_NUMBER = "020-87654321", "028-87654321"
CODES = sorted(business.code for business in CONFIGURATION.businesses)
AT_HOME = next(each.code for each in CONFIGURATION.businesses if each.reach == Reach.REACH_HOME)


def asked(
    directory: Path,
    question: Callable[[CatalogueServiceStub], Awaitable[T]],
    *,
    is_configured: bool = True,
    known: Callable[[Transaction], object] = lambda tx: None,
    configuration: Configuration = CONFIGURATION,
    clock: Clock = CLOCK,
) -> T:
    """The answer of a Guangdong node, in whose records is what `known` writes, to one of its operator systems."""
    certificates = Certificates(directory)
    current = CurrentFederation()
    if is_configured:
        current.update(Federation(1, configuration), [])
    region = RegionContext(Border(REGION, keys().signers[REGION], keys().trusted, current))

    async def ask() -> T:
        dialer = Dialer(certificates.credentials(f"region/{REGION}/operator/crm"), CLOCK)
        name = server_name(Role.ROLE_REGION, REGION, FEDERATION)
        async with SqliteAdapter(directory).open(migrations_of(*PACKAGES)) as store:
            await store.write(known)
            servicer = CatalogueService(region, store, clock)
            service = Service(DESCRIPTOR, lambda server: add_CatalogueServiceServicer_to_server(servicer, server))
            async with (
                serving(certificates, f"region/{REGION}", [service], REGION) as endpoint,
                dialer.dial(endpoint, name) as channel,
            ):
                return await question(CatalogueServiceStub(channel))

    return asyncio.run(ask())


def guide(directory: Path, business: str, number: str = "") -> GetBusinessGuideResponse:
    request = GetBusinessGuideRequest(business=business, number=number)
    return asked(directory, lambda stub: invoke(stub.GetBusinessGuide, request, TIMEOUT))


def test_the_pages_of_the_businesses_together_are_all_of_them_once_by_code(tmp_path: Path) -> None:
    async def all_pages(stub: CatalogueServiceStub) -> list[list[str]]:
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            request = ListBusinessesRequest(page_size=3, page_token=token)
            response = await invoke(stub.ListBusinesses, request, TIMEOUT)
            pages.append([business.code for business in response.businesses])
            token = response.next_page_token
        return pages

    pages = asked(tmp_path, all_pages)
    assert [code for page in pages for code in page] == CODES
    assert all(len(page) == 3 for page in pages[:-1])
    assert pages[-1]


def test_the_last_page_has_no_token_also_when_it_is_full(tmp_path: Path) -> None:
    request = ListBusinessesRequest(page_size=len(CODES))
    response = asked(tmp_path, lambda stub: invoke(stub.ListBusinesses, request, TIMEOUT))
    assert (len(response.businesses), response.next_page_token) == (len(CODES), "")


def test_plans_are_those_of_this_region_unless_another_is_named(tmp_path: Path) -> None:
    async def both(stub: CatalogueServiceStub) -> list[set[str]]:
        answers = [await invoke(stub.ListPlans, ListPlansRequest(region=region), TIMEOUT) for region in ("", "sichuan")]
        return [{plan.region for plan in answer.plans} for answer in answers]

    assert asked(tmp_path, both) == [{REGION}, {"sichuan"}]


def test_a_token_of_another_list_is_refused(tmp_path: Path) -> None:
    async def mixed(stub: CatalogueServiceStub) -> None:
        first = await invoke(stub.ListPlans, ListPlansRequest(page_size=1), TIMEOUT)
        assert first.next_page_token
        request = ListPlansRequest(region="sichuan", page_token=first.next_page_token)
        await invoke(stub.ListPlans, request, TIMEOUT)

    assert refusal(lambda: asked(tmp_path, mixed)) == Reason.REASON_TOKEN_INVALID


def test_the_guide_names_the_materials_of_its_documents(tmp_path: Path) -> None:
    found = guide(tmp_path, "TERMINATE")
    assert found.business.code == "TERMINATE"
    named = " ".join(line for each in found.business.documents for line in each.all_of)
    assert found.materials
    assert all(material.code in named for material in found.materials)
    assert (found.home_region, found.offered_here) == ("", True)


@pytest.mark.parametrize(
    ("business", "number", "home", "offered"),
    [
        ("SUSPEND", OWN_NUMBER, "guangdong", True),
        ("SUSPEND", FOREIGN_NUMBER, "sichuan", True),
        ("SUSPEND", "+442079460000", "", False),
        (AT_HOME, OWN_NUMBER, "guangdong", True),
        (AT_HOME, FOREIGN_NUMBER, "sichuan", False),
        (AT_HOME, "", "", False),
    ],
)
def test_the_guide_says_whether_the_business_is_offered_here_for_the_number(
    tmp_path: Path, business: str, number: str, home: str, offered: bool
) -> None:
    found = guide(tmp_path, business, number)
    assert (found.home_region, found.offered_here) == (home, offered)


@pytest.mark.parametrize(
    ("business", "number", "reason"),
    [
        ("NO_SUCH", "", Reason.REASON_BUSINESS_UNKNOWN),
        ("SUSPEND", "call me", Reason.REASON_NUMBER_INVALID),
    ],
)
def test_a_guide_that_cannot_be_given_is_refused(
    tmp_path: Path, business: str, number: str, reason: Reason.ValueType
) -> None:
    assert refusal(lambda: guide(tmp_path, business, number)) == reason


def test_an_unknown_region_has_no_plans(tmp_path: Path) -> None:
    request = ListPlansRequest(region="atlantis")
    assert (
        refusal(lambda: asked(tmp_path, lambda stub: invoke(stub.ListPlans, request, TIMEOUT)))
        == Reason.REASON_REGION_UNKNOWN
    )


def test_without_a_configuration_there_is_no_catalogue(tmp_path: Path) -> None:
    request = ListBusinessesRequest()
    found = refusal(
        lambda: asked(tmp_path, lambda stub: invoke(stub.ListBusinesses, request, TIMEOUT), is_configured=False)
    )
    assert found == Reason.REASON_CONFIGURATION_MISSING


def refusal(attempt: Callable[[], object]) -> Reason.ValueType:
    with pytest.raises(Refused) as refused:
        attempt()
    return refused.value.reason
