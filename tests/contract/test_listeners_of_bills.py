"""Listeners hear of the bills of ended months by their ids, and nothing that is read by the papers of a customer."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.app.registered import registry
from region_node.business.billing.bill_events import EVENTS, note_bill
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow
from region_node.customers.status import ACTIVE, RESTRICTED, keep_status
from region_node.lifecycle.erasure.destroying import mark_erased
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.settings import ListenerSettings
from tests.contract.relay_pair import NOW
from tests.contract.test_listeners import Region, has_failed, listening, region
from tests.contract.test_listeners import _rests_little as _rests_little
from tests.unit.situations import LINE
from tests.webhook import serving

BILLS = ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL
SERVICES = ("BillingService", "CustomerService", "ListenerService")


async def opens(here: Region, *accounts: str) -> None:
    """The region has lines with these accounts, each of a customer of its own."""

    def add(tx: Transaction) -> None:
        for number, account in enumerate(accounts):
            keep_customer(tx, CustomerRow(f"c{account}", "王芳", ""))
            names = {"product_id": f"p{account}", "customer_id": f"c{account}", "account_id": account}
            keep_line(tx, replace(LINE, **names, number=f"+861985100000{number}"), NOW)  # type: ignore[arg-type]

    await here.store.write(add)


async def bills(here: Region, account: str, month: str) -> None:
    """The region writes a bill."""
    await here.store.write(lambda tx: note_bill(tx, account, month, NOW))


async def enters(here: Region, account: str, status: CustomerStatus.ValueType) -> None:
    """The customer of an account enters a status."""
    await here.store.write(lambda tx: keep_status(tx, f"c{account}", status))


async def noted(here: Region) -> list[tuple[int, str]]:
    """The noted bills with their numbers."""
    found = await here.store.read(lambda tx: EVENTS.states_after(tx, 0, "", 100))
    return [(each.sequence, each.name) for each in found]


def test_each_bill_is_told_once_by_its_id_but_for_customers_whose_data_may_not_be_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, "a1", "a2")
            await bills(here, "a1", "2030-05")
            assert await noted(here) == [], "nobody listens"
            await here.register(hook.url, resource=BILLS)
            await enters(here, "a2", RESTRICTED)
            for account, month in (("a1", "2030-06"), ("a2", "2030-06"), ("a1", "2030-07")):
                await bills(here, account, month)
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 2)
                await enters(here, "a2", ACTIVE)
                await bills(here, "a2", "2030-07")
                await here.until(lambda: len(hook.bodies) == 3)
            told = [each["event"]["customerBill"] for each in hook.bodies]
            assert [each["id"] for each in told] == ["a1/2030-06", "a1/2030-07", "a2/2030-07"]
            assert {each["eventType"] for each in hook.bodies} == {"CustomerBillCreateEvent"}
            assert {name for each in told for name in each} == {"id", "href", "@type", "@baseType", "@schemaLocation"}

    asyncio.run(scenario())


@pytest.mark.parametrize("lacking", ["BillingService", "CustomerService"])
def test_a_listener_for_bills_needs_the_scope_of_customers_too_since_it_hears_of_accounts(
    tmp_path: Path, lacking: str
) -> None:
    async def scenario() -> None:
        file = tmp_path / "operators.toml"

        def scoped(*services: str) -> OperatorScopes:
            file.write_text(f"[counter]\nservices = {list(services)}\n".replace("'", '"'))
            return OperatorScopes(file)

        scopes = scoped(*SERVICES)
        with serving(tmp_path) as hook:
            settings = ListenerSettings(("127.0.0.0/8",), hook.authority)
            async with region(tmp_path, settings, scopes) as here:
                await opens(here, "a1")
                await here.register(hook.url, resource=BILLS)
                fewer = scoped(*(each for each in SERVICES if each != lacking)).file
                assert fewer is not None
                scopes.put_in_force(fewer.scopes)
                with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
                    await here.register(f"{hook.url}&again", resource=BILLS)
                await bills(here, "a1", "2030-06")
                async with here.telling():
                    found = await here.listener(has_failed)
                assert (found.problem, hook.bodies) == ("OPERATOR_SCOPE_MISSING", [])

    asyncio.run(scenario())


def test_an_erasure_removes_the_bills_of_the_customer_alone_and_the_next_number_follows(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=BILLS)
            accounts = ("a1", "a1/b", "a10", "a")
            await opens(here, *accounts)
            for account in (*accounts, "a1"):
                await bills(here, account, "2030-06" if account != "a1" else "2030-07")
            await here.store.write(lambda tx: mark_erased(tx, registry(here.context), ["customer/ca1"], NOW))
            kept = [(2, "a1/b/2030-06"), (3, "a10/2030-06"), (4, "a/2030-06")]
            assert await noted(here) == kept
            await bills(here, "a", "2030-07")
            assert await noted(here) == [*kept, (6, "a/2030-07")]

    asyncio.run(scenario())
