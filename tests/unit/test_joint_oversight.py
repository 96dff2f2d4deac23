"""What a coordinator is told of joint orders, and how its command shows them."""

from datetime import timedelta
from pathlib import Path

import pytest

import coordinator
from coordinator.cli.orders.joint_orders import joint_orders
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary
from gateway.rpc.pages import dated_place
from gateway.store import vault
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.wording.languages import speak
from gateway.wording.times import told_time
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import (
    JointOrderFilter,
    JointOrderRow,
    insert_joint_order,
    joint_subject,
    list_joint_orders,
)
from region_node.care.escalations.joint_orders import JOINT_ORDERS
from region_node.oversight.service import joint_summary
from tests.unit.reconciling import two_regions
from tests.unit.test_joint_saga import NOW, World, order_of, reserve_all

HOUR = timedelta(hours=1)


def surveyed() -> World:
    """A leased line between two regions whose survey begins."""
    world = World(order_of("LEASED_LINE"))
    world.lead()
    world.order.expected_completion_time.CopyFrom(to_timestamp(NOW + timedelta(days=40)))
    return world


def warned(order: JointOrder) -> set[str]:
    """The items of which the coordinator is told that they are in jeopardy."""
    return {each.id for each in joint_summary(order).items if each.HasField("alert_time")}


@pytest.mark.clause("10.3(1)")
def test_an_item_is_in_jeopardy_from_the_warning_on_until_its_milestone_is_reached() -> None:
    world = surveyed()
    assert warned(world.order) == set()
    world.now = from_timestamp(world.order.survey_due_time) - world.order.warn_before.ToTimedelta()
    world.lead()
    assert warned(world.order) == {each.id for each in world.order.items}
    told = joint_summary(world.order).items[0].alert_time
    assert from_timestamp(told) == world.now
    reserve_all(world)
    assert warned(world.order) == set(), "what comes next has a limit of its own"


def test_a_region_lists_what_another_region_leads_or_follows_in_full_pages() -> None:
    with two_regions() as two:
        tx = two.origin.tx
        for number in range(1, 5):
            order = order_of("LEASED_LINE")
            order.id, order.version = f"guangdong/J{number}", 1
            order.create_time.CopyFrom(to_timestamp(NOW + number * HOUR))
            if number % 2:
                for each in order.items:
                    each.region = "hunan"
                order.home_region = "hubei"
            insert_joint_order(tx, JointOrderRow(order, ""), number, NOW)

        def listed(region: str) -> list[str]:
            page = list_joint_orders(tx, JointOrderFilter(concerning=region), None, 10)
            return [each.id for each in page.items]

        assert listed("guangdong") == [f"guangdong/J{number}" for number in (4, 3, 2, 1)]
        assert listed("sichuan") == ["guangdong/J4", "guangdong/J2"]
        assert listed("hunan") == listed("hubei") == ["guangdong/J3", "guangdong/J1"]
        assert listed("beijing") == listed("hu") == []
        first = list_joint_orders(tx, JointOrderFilter(concerning="hunan"), None, 1)
        assert ([each.id for each in first.items], bool(first.following)) == (["guangdong/J3"], True)
        last = list_joint_orders(tx, JointOrderFilter(concerning="hunan"), dated_place(first.following), 1)
        assert ([each.id for each in last.items], last.following) == (["guangdong/J1"], "")


def test_the_regions_of_joint_orders_of_an_earlier_version_are_noted_page_by_page_beside_an_unreadable_one() -> None:
    migrate = JOINT_ORDERS.row_migrations["joint_orders"]
    with two_regions() as two:
        tx = two.origin.tx
        for number in range(1, 4):
            order = order_of("LEASED_LINE")
            order.id = f"guangdong/J{number}"
            order.create_time.CopyFrom(to_timestamp(NOW + number * HOUR))
            insert_joint_order(tx, JointOrderRow(order, ""), number, NOW)
        tx.execute("UPDATE joint_orders SET regions = ''")
        vault.destroy(tx, [joint_subject("guangdong/J1")])
        assert [migrate(tx, 2) for _ in range(3)] == [2, 1, 0]
        page = list_joint_orders(tx, JointOrderFilter(concerning="sichuan"), None, 10)
        assert [each.id for each in page.items] == ["guangdong/J3", "guangdong/J2"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_tells_who_has_a_joint_order_how_long_the_next_limit_and_jeopardy(language: str) -> None:
    speak(language, Path(coordinator.__file__).parent / "texts")
    world = surveyed()
    told = joint_summary(world.order)
    told.items[0].verify_until_time.CopyFrom(to_timestamp(NOW + HOUR))
    told.items[0].alert_time.CopyFrom(to_timestamp(NOW))
    told.items[1].state = rules.HELD

    def cells(summary: JointOrderSummary, hours: float) -> list[str]:
        return [str(each) for each in joint_orders(NOW + hours * HOUR).cells(summary)]

    name, business, _, _, items, has, until, jeopardy, promised = cells(told, 3)
    assert (name, business) == ("guangdong/J1", "LEASED_LINE")
    assert len(items.splitlines()) == len(told.items)
    assert len(has.splitlines()) == len(told.awaiting)
    words = {
        "en": ("the customer's own proof, 3 h ago", "room for what is held, 3 h ago", "survey, 3 h ago"),
        "zh": ("机主本人验证", "重新预留", "勘查"),
    }
    assert [each in line for each, line in zip(words[language], has.splitlines(), strict=False)] == [True] * 3
    assert jeopardy.startswith(f"{told.items[0].id}, ")
    assert (until, promised) == (told_time(world.order.survey_due_time), told_time(told.expected_completion_time))
    late = joint_orders(NOW + timedelta(days=60)).cells(told)
    assert [getattr(late[at], "style", "") for at in (6, 8)] == ["red", "red"]
    world.order.state = saga.FAILED
    saga.note_awaiting(world.order)
    ended = joint_summary(world.order)
    shown = joint_orders(NOW + timedelta(days=60)).cells(ended)
    assert ([str(shown[at]) for at in (5, 6, 7)], getattr(shown[8], "style", "")) == (["", "", ""], "")
