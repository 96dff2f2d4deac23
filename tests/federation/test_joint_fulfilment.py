"""A region's own system surveys, provisions, tests and undoes the items of joint orders there; staff do the rest."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.ports import HeldPort
from deploy.provider.server import Provider, ProviderOptions
from deploy.provider.service import Behaviour
from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from region_node.business.joint.rows import work_id
from region_node.node.settings import FulfilmentSettings, ProviderSettings
from tests.federation.databases import Databases
from tests.federation.joint_staff import ROOM, JointStaff, item_of, with_broadband
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until

LEADER, HERE = "guangdong", "sichuan"
PATH = f"region/{HERE}/provider/network"
COMPLETED = JointOrderState.JOINT_ORDER_STATE_COMPLETED
IN_PROGRESS = JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS
CONFIGURE = JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE
TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST
HAND_OVER = JointMilestoneKind.JOINT_MILESTONE_KIND_HAND_OVER
AGAIN = WorkOnJointOrderRequest(ask_again=WorkOnJointOrderRequest.AskAgain())


@dataclass
class Installation:
    """Broadband that moves from Guangdong, which leads the order, to Sichuan, whose own system installs it."""

    federation: Federation
    directory: Path
    port: HeldPort
    behaviour: Behaviour
    provider: Provider | None = None

    @property
    def leader(self) -> JointStaff:
        """Staff of Guangdong."""
        return JointStaff(self.federation, LEADER)

    @property
    def here(self) -> JointStaff:
        """Staff of Sichuan."""
        return JointStaff(self.federation, HERE)

    async def start(self) -> None:
        """Starts the system, on the same port and with what it has done before."""
        options = ProviderOptions(self.directory, f"127.0.0.1:{self.port.number}", behaviour=self.behaviour)
        self.provider = await Provider.start(options, self.federation.clock)

    async def stop(self) -> None:
        """Stops it."""
        provider, self.provider = self.provider, None
        if provider is not None:
            await provider.stop()

    async def taken_in(self) -> JointOrder:
        """A new order of a customer of Guangdong who moves to Sichuan."""
        number = await with_broadband(self.federation, LEADER)
        return await self.leader.submits(self.leader.request("BB_MOVE", [LEADER, HERE], number))

    async def submitted(self) -> JointOrder:
        """A new order; Guangdong's staff have reserved the removal."""
        order = await self.taken_in()
        await self.leader.works(order.id, "remove", ROOM)
        return order

    def effects(self, order: JointOrder) -> list[str]:
        """The system's work for the item of Sichuan."""
        assert self.provider is not None
        return self.provider.works.effects(work_id(order.id, "install"))

    async def reached(self, staff: JointStaff, order: JointOrder, kind: JointMilestoneKind.ValueType) -> JointOrder:
        """The order once a region knows that the installation has reached a milestone."""
        return await staff.follows(
            order.id,
            lambda each: any(
                one.kind == kind and one.HasField("reach_time") for one in item_of(each, "install").milestones
            ),
            f"it reaches {JointMilestoneKind.Name(kind)}",
        )

    async def stands(self, staff: JointStaff, order: JointOrder, reason: Reason.ValueType) -> JointOrder:
        """The order once a region knows why the installation does not go on."""
        return await staff.follows(
            order.id, lambda each: item_of(each, "install").error.reason == reason, Reason.Name(reason)
        )

    async def finished(self, order: JointOrder) -> None:
        """Staff do what the system does not."""
        await self.here.reach(order.id, "install", HAND_OVER)
        await self.leader.finishes(order.id, "remove")
        await self.leader.reaches(order.id, COMPLETED)


@pytest.fixture(scope="module")
def built(
    runner: asyncio.Runner, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A federation whose Sichuan has a system that installs broadband."""
    federation = Federation(tmp_path_factory.mktemp("installed"), databases)
    port = HeldPort()
    named = FulfilmentSettings(f"127.0.0.1:{port.number}", "network", ("BB_MOVE",))
    federation.providers[HERE] = ProviderSettings(fulfilment=named)
    directory = federation.certificates.credentials(PATH).certificate.parent
    installation = Installation(federation, directory, port, Behaviour())
    runner.run(installation.start())
    runner.run(federation.start([LEADER, HERE]))
    yield installation
    runner.run(federation.stop())
    runner.run(installation.stop())


@pytest.fixture
def installation(runner: asyncio.Runner, built: Installation) -> Iterator[Installation]:
    """The system, which refuses nothing, and runs."""
    if built.provider is None:
        runner.run(built.start())
    built.behaviour.refuses = ()
    yield built
    built.behaviour.refuses = ()


@pytest.mark.clause("10.1(2)")
async def test_the_system_reserves_configures_and_tests_its_item_once_and_staff_hand_it_over(
    installation: Installation,
) -> None:
    order = await installation.submitted()
    await installation.reached(installation.leader, order, TEST)
    assert installation.effects(order) == ["provisioned"]
    told = await refusal(installation.here.works(order.id, "install", AGAIN))
    assert told.reason == "JOINT_ITEM_STATE_FORBIDS"
    await installation.finished(order)
    query = "SELECT 1 FROM fulfilment_tasks WHERE order_id = ?"
    assert not list(installation.federation.database(HERE).rows(query, work_id(order.id, "install")))


async def test_what_the_system_refuses_at_the_survey_fails_the_order_for_all(installation: Installation) -> None:
    installation.behaviour.refuses = ("BB_MOVE",)
    order = await installation.submitted()
    failed = await installation.leader.reaches(order.id, JointOrderState.JOINT_ORDER_STATE_FAILED)
    error = item_of(failed, "install").error
    assert error.reason == Reason.REASON_JOINT_SYSTEM_REFUSED
    assert "no resources" in error.message.en
    assert "资源不足" in error.message.zh_cn


async def test_what_the_system_cannot_configure_is_seen_by_all_and_done_once_staff_have_it_called_again(
    installation: Installation,
) -> None:
    installation.behaviour.refuses = ("BB_MOVE:provision",)
    order = await installation.submitted()
    for staff in (installation.leader, installation.here):
        await installation.stands(staff, order, Reason.REASON_JOINT_SYSTEM_REFUSED)
    installation.behaviour.refuses = ()
    await installation.here.works(order.id, "install", AGAIN)
    tested = await installation.reached(installation.leader, order, TEST)
    assert not item_of(tested, "install").HasField("error")
    assert installation.effects(order) == ["provisioned"]
    await installation.finished(order)


async def test_staff_do_by_hand_what_the_system_refuses_and_the_system_goes_on_from_there(
    installation: Installation,
) -> None:
    installation.behaviour.refuses = ("BB_MOVE:test",)
    order = await installation.submitted()
    await installation.stands(installation.here, order, Reason.REASON_JOINT_SYSTEM_REFUSED)
    await installation.here.reach(order.id, "install", TEST)
    await installation.finished(order)


async def test_what_is_released_is_undone_at_the_system(installation: Installation) -> None:
    order = await installation.taken_in()
    reserved = JointItemState.JOINT_ITEM_STATE_RESERVED
    await installation.leader.follows(order.id, lambda each: item_of(each, "install").state == reserved, "reserved")
    await installation.leader.cancels(order.id)
    await installation.here.reaches(order.id, JointOrderState.JOINT_ORDER_STATE_CANCELLED)
    assert installation.provider is not None
    works = installation.provider.works

    async def is_undone() -> bool:
        return works.is_undone(work_id(order.id, "install"))

    await until(is_undone, "the system gives its room up")


async def test_a_node_that_starts_again_goes_on_with_a_system_that_was_away_and_all_see_that_it_was(
    installation: Installation,
) -> None:
    await installation.stop()
    order = await installation.submitted()
    await installation.stands(installation.leader, order, Reason.REASON_PROVIDER_UNAVAILABLE)
    await installation.federation.stop_node(HERE)
    await installation.start()
    await installation.federation.start_node(HERE)
    tested = await installation.reached(installation.leader, order, TEST)
    assert not item_of(tested, "install").HasField("error")
    assert installation.effects(order) == ["provisioned"]
