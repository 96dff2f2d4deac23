"""Listeners hear of the changes of customers by the ids of their lines, and of nothing that only a read may tell."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.app.registered import registry
from region_node.business.orders.business import Effects
from region_node.business.orders.context import OwnRecords
from region_node.customers import operations
from region_node.customers.events import EVENTS, enter_status, note_attributes
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.status import ACTIVE, MOVED, RESTRICTED
from region_node.customers.subscriptions import Subscription
from region_node.customers.taking_over import NewCustomer
from region_node.lifecycle.erasure.destroying import mark_erased
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.settings import ListenerSettings
from region_node.records import listened
from region_node.requests.auditing import AuditedCall
from tests.contract.relay_pair import NOW
from tests.contract.test_listeners import Region, listening, region
from tests.contract.test_listeners import _rests_little as _rests_little
from tests.unit.situations import LINE, situation
from tests.webhook import Hook, serving

CUSTOMERS = ListenerResource.LISTENER_RESOURCE_CUSTOMER
CUSTOMERS_V5 = ListenerResource.LISTENER_RESOURCE_CUSTOMER_V5
CALL = AuditedCall("region/sichuan/operator/crm", "wang", NOW)
NAME, MAIL = "王芳", "wang@example.com"
OTHER = replace(LINE, product_id="product-2", number="+8619851000002")


def types(hook: Hook) -> list[tuple[str, str]]:
    """What was posted: the type of each event without the words that all have, and the id of the line."""
    named = [(each["eventType"], each["event"]["customer"]["id"]) for each in hook.bodies]
    return [(kind.removeprefix("Customer").removesuffix("Event"), line) for kind, line in named]


def rows_of(tx: Transaction) -> list[tuple[int, str]]:
    """The noted changes: the number and the line of each."""
    return tx.all(lambda *row: row, "SELECT sequence, product_id FROM customer_events ORDER BY sequence")


async def keeps(here: Region, *lines: Line) -> None:
    """The region stores lines, new or changed."""
    for line in lines:
        await here.store.write(lambda tx, line=line: keep_line(tx, line, NOW))  # type: ignore[misc]


async def opens(here: Region, *lines: Line) -> None:
    """The region has these lines, each of a customer of its own, unless they share one."""
    for customer_id in {each.customer_id for each in lines}:
        await here.store.write(lambda tx, name=customer_id: keep_customer(tx, CustomerRow(name, NAME, MAIL)))  # type: ignore[misc]
    await keeps(here, *lines)


async def has(here: Region, status: int) -> None:
    """The customer enters a status."""
    await here.store.write(lambda tx: enter_status(tx, LINE.customer_id, status, NOW))  # type: ignore[arg-type]


async def erases(here: Region, customer_id: str = LINE.customer_id) -> None:
    """A customer is erased."""
    kinds = registry(here.context)
    await here.store.write(lambda tx: mark_erased(tx, kinds, [f"customer/{customer_id}"], NOW))


def test_the_life_of_a_customer_is_told_by_ids_and_no_number_is_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            async with here.telling():
                await opens(here, LINE)
                await here.until(lambda: len(hook.bodies) == 1)
                await keeps(here, replace(LINE, plan_id="sichuan-99"))
                await here.until(lambda: len(hook.bodies) == 2)
                await keeps(here, LINE.suspended(SuspensionKind.SUSPENSION_KIND_LOST, "lost"))
                await here.until(lambda: len(hook.bodies) == 3)
                await erases(here)
                await here.until(lambda: len(hook.bodies) == 4)
            kinds = ("Create", "AttributeValueChange", "StateChange", "Delete")
            assert types(hook) == [(kind, LINE.product_id) for kind in kinds]
            assert [each["eventId"] for each in hook.bodies] == [f"sichuan/customer/{each}" for each in (1, 2, 3, 4)]
            assert {each["event"]["customer"]["href"] for each in hook.bodies} == {
                f"/tmf-api/customerManagement/v4/customer/{LINE.product_id}"
            }

    asyncio.run(scenario())


def test_a_change_of_a_customer_is_told_of_each_line_and_tells_no_personal_data(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, LINE, OTHER)
            for resource in (CUSTOMERS, CUSTOMERS_V5):
                await here.register(hook.url, resource=resource)
            for mail in (MAIL, "new@example.com"):
                await here.store.write(
                    lambda tx, mail=mail: operations.change(tx, LINE.number, {"email": mail}, CALL)  # type: ignore[misc]
                )
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 4)
            lines = [("AttributeValueChange", each.product_id) for each in (LINE, OTHER)]
            assert sorted(types(hook)) == sorted(lines * 2), "the first change was none"
            secrets = (NAME, MAIL, "new@example.com", LINE.number, LINE.customer_id, LINE.account_id, LINE.plan_id)
            assert not [each for raw in hook.raw for each in secrets if each in raw.decode()]

    asyncio.run(scenario())


def test_customers_of_a_migration_are_new_and_a_promise_of_the_end_of_a_line_is_no_change(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            new = NewCustomer(CustomerRow(LINE.customer_id, NAME, MAIL), LINE, 0)
            await here.store.write(lambda tx: operations.take_over(tx, [new], "CNY", NOW))
            assert await here.store.read(rows_of) == [(1, LINE.product_id)]
            await keeps(here, LINE.promised("joint-1"))
            assert await here.store.read(rows_of) == [(1, LINE.product_id)]

    asyncio.run(scenario())


def test_of_a_restricted_customer_the_restriction_alone_is_told(tmp_path: Path) -> None:
    async def changes(here: Region) -> None:
        await keeps(here, replace(LINE, plan_id="sichuan-99"))
        await keeps(here, LINE.suspended(SuspensionKind.SUSPENSION_KIND_LOST, "lost"))
        await here.store.write(lambda tx: note_attributes(tx, LINE.customer_id, NOW))

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, LINE)
            await here.register(hook.url, resource=CUSTOMERS)
            await keeps(here, replace(LINE, plan_id="sichuan-9"))
            await has(here, RESTRICTED)
            await changes(here)
            assert [line for _, line in await here.store.read(rows_of)] == [LINE.product_id] * 2
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 1)
                await has(here, ACTIVE)
                await here.until(lambda: len(hook.bodies) == 2)
                await has(here, MOVED)
                await here.until(lambda: len(hook.bodies) == 3)
            assert types(hook) == [("StateChange", LINE.product_id)] * 3

    asyncio.run(scenario())


def test_a_listener_for_attributes_hears_nothing_of_a_customer_who_was_restricted_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, LINE)
            wanted = [EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE]
            await here.register(hook.url, resource=CUSTOMERS, kinds=wanted)
            await keeps(here, replace(LINE, plan_id="sichuan-99"))
            await has(here, RESTRICTED)
            await opens(here, replace(OTHER, customer_id="another"))
            await keeps(here, replace(OTHER, customer_id="another", plan_id="sichuan-99"))
            async with here.telling():
                await here.until(lambda: bool(hook.bodies))
            assert types(hook) == [("AttributeValueChange", OTHER.product_id)]

    asyncio.run(scenario())


def test_nothing_is_written_while_nobody_listens_and_numbers_go_on_without_a_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url)  # for orders
            await opens(here, LINE)
            assert await here.store.read(rows_of) == []
            listener = await here.register(hook.url, resource=CUSTOMERS)
            await keeps(here, replace(LINE, plan_id="sichuan-9"))
            await here.remove(listener.id)
            await keeps(here, LINE)
            await here.register(hook.url, resource=CUSTOMERS_V5)
            await keeps(here, replace(LINE, plan_id="sichuan-9"))
            assert await here.store.read(rows_of) == [(1, LINE.product_id), (2, LINE.product_id)]

    asyncio.run(scenario())


def test_an_erasure_leaves_nothing_of_the_customer_but_the_deletion_and_the_next_number_follows(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            listener = await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE, OTHER)
            await erases(here)
            assert await here.store.read(rows_of) == [(3, LINE.product_id), (4, OTHER.product_id)]
            later = replace(LINE, product_id="product-3", customer_id="customer-3", number="+8619851000003")
            await opens(here, later)
            await here.remove(listener.id)
            await erases(here, later.customer_id)
            assert len(await here.store.read(rows_of)) == 2, "the last change of all is removed, too"
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, replace(later, product_id="product-4", customer_id="customer-4", number="+8619851000004"))
            assert (await here.store.read(rows_of))[-1] == (6, "product-4")

    asyncio.run(scenario())


def test_no_more_changes_are_kept_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            names = [(f"c{each}", f"+86198510{each:05}") for each in range(1_010)]
            lines = [replace(LINE, product_id=name, customer_id=name, number=number) for name, number in names]
            new = [NewCustomer(CustomerRow(each.customer_id, NAME, ""), each, 0) for each in lines]
            await here.store.write(lambda tx: operations.take_over(tx, new, "CNY", NOW))
            found = await here.store.read(rows_of)
            assert [number for number, _ in found] == list(range(911, 1_011))

    monkeypatch.setattr(listened, "MOST", 100)
    asyncio.run(scenario())


def test_the_changes_of_before_a_loss_of_the_database_are_kept_for_a_listener_that_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE)
            await here.store.write(lambda tx: EVENTS.skip(tx, 10_000))
            await keeps(here, replace(LINE, plan_id="sichuan-99"))
            numbers = [number for number, _ in await here.store.read(rows_of)]
            assert (len(numbers), numbers[0]) == (2, 1)
            assert numbers[1] > listened.MOST

    monkeypatch.setattr(listened, "MOST", 100)
    monkeypatch.setattr(listened, "_PAGE", 1)  # each change removes the oldest
    asyncio.run(scenario())


def test_an_order_about_a_subscription_changes_its_line_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, LINE, OTHER)
            await here.register(hook.url, resource=CUSTOMERS)
            effects = Effects(LINE, subscriptions=(Subscription("s1", LINE.product_id, "tones", NOW, None),))
            await here.store.write(lambda tx: OwnRecords().carry_out(tx, situation("SUSPEND"), effects))
            async with here.telling():
                await here.until(lambda: bool(hook.bodies))
            assert types(hook) == [("AttributeValueChange", LINE.product_id)]
            assert len(await here.store.read(rows_of)) == 1

    asyncio.run(scenario())


def test_a_turn_that_ends_between_two_changes_loses_none_though_a_record_has_changed_before_and_behind(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, 200, 503) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE, OTHER)
            await keeps(here, replace(LINE, plan_id="sichuan-99"))
            async with here.telling():
                await here.until(lambda: ("AttributeValueChange", LINE.product_id) in types(hook))
            posted = types(hook)
            del posted[1]  # which was not taken
            assert posted == [
                ("Create", LINE.product_id),
                ("Create", OTHER.product_id),
                ("AttributeValueChange", LINE.product_id),
            ]
            assert [each["eventId"][-1] for each in hook.bodies] == ["1", "2", "2", "3"]

    asyncio.run(scenario())


def test_of_changes_of_one_kind_the_last_one_alone_is_told_though_another_customer_has_changed_in_between(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            await opens(here, LINE, OTHER)
            await here.register(hook.url, resource=CUSTOMERS)
            for plan in ("sichuan-9", "sichuan-99", "sichuan-199"):
                await keeps(here, replace(LINE, plan_id=plan), replace(OTHER, plan_id=plan))
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 2)
            assert [each["eventId"][-1] for each in hook.bodies] == ["5", "6"]

    asyncio.run(scenario())


def test_a_listener_for_customers_needs_the_scope_of_their_service(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "operators.toml"
        file.write_text('[counter]\nservices = ["ListenerService", "OrderService"]\n')
        with serving(tmp_path) as hook:
            settings = ListenerSettings(("127.0.0.0/8",), hook.authority)
            async with region(tmp_path, settings, OperatorScopes(file)) as here:
                with pytest.raises(Refused, match="OPERATOR_SCOPE_MISSING"):
                    await here.register(hook.url, resource=CUSTOMERS)

    asyncio.run(scenario())
