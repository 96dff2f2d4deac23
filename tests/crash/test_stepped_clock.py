"""A node whose clock stands years ahead for a while does nothing of those years, also after a restart meanwhile."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.driven_clock import DrivenClock
from deploy.local.federation import COORDINATOR, FEDERATION, LocalFederation
from deploy.local.process import wait_until
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_service_pb2 import HoldCustomerRequest
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.errors import Refused, Unreachable, reason_name
from gateway.rpc.channels import invoke
from gateway.time.clock import from_microseconds
from tests import preloaded
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, TwoRegions

YEARS, WEEKS = timedelta(days=4 * 365), timedelta(days=20)
PATIENCE_S = 60.0
_DEPENDS_ON_TIME = {
    "billed months": "SELECT run, period, after FROM billing_runs WHERE run = 'cycle'",
    "bills": "SELECT COUNT(*) FROM bills",
    "ledger": "SELECT COUNT(*) FROM ledger_entries",
    "arrears": "SELECT run, period FROM billing_runs WHERE run = 'arrears'",
    "purges": "SELECT COUNT(*) FROM purges",
    "forgotten": "SELECT COUNT(*) FROM inbox_forgotten",
    "timers": "SELECT timer_id, due_time FROM timers ORDER BY timer_id",
    "line": "SELECT status FROM products ORDER BY product_id",
}


class SteppedClock(TwoRegions):
    """Two regions and a coordinator; the home region has a clock of its own."""

    def __init__(self, directory: Path) -> None:
        self.clock = DrivenClock.create(directory / "clock")
        clocks = {HOME: directory / "clock"}
        super().__init__(LocalFederation(directory, (HANDLING, HOME), clock_files=clocks, launcher=preloaded.launch))

    def state(self) -> str:
        """All rows of the home region that depend on time."""
        return json.dumps({name: self.home.database.rows(sql) for name, sql in _DEPENDS_ON_TIME.items()}, indent=1)

    def await_heartbeats(self, error: timedelta) -> None:
        """Waits for some heartbeats of a clock with this error: more time than any loop takes to look."""
        times: set[tuple[int, int]] = set()

        def heard() -> bool:
            member = self.run(self._member())
            if abs(member.clock_error.ToTimedelta() - error) < timedelta(seconds=30):
                times.add((member.heartbeat_time.seconds, member.heartbeat_time.nanos))
            return len(times) > 3

        wait_until(heard, PATIENCE_S, f"heartbeats of a clock that is off by {error}")

    def start_by(self, error: timedelta) -> None:
        """Starts the home region anew, by a clock that is off by this error."""
        process = self.federation.processes[HOME]
        process.kill()
        self.clock.be_wrong_by(error)
        process.start()

    def kept(self) -> datetime:
        """The agreed time that the home region's database has kept."""
        [(time,)] = self.home.database.rows("SELECT time FROM agreed_time")
        assert isinstance(time, int)
        return from_microseconds(time)

    def node(self, staff: str, *words: str) -> tuple[int, str]:
        """The exit code of a command of the home region's staff, and all that it says."""
        environment = {
            "CROSSREGION_NODE": self.federation.endpoint(HOME),
            "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / f"{HOME}-{staff}"),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": HOME,
            "CROSSREGION_LANG": "en",
        }
        ended = preloaded.run("region_node.cli.main", *words, environment=environment)
        return ended.code, ended.out + ended.err

    def confirm(self, error: timedelta = timedelta(0)) -> tuple[int, str]:
        """As `node`: the clock is confirmed by a time that is off by this error."""
        return self.node("wang", "recovery", "confirm-clock", (self.now() + error).isoformat(), "INC-2042")

    def held(self) -> str:
        """The reason of the refusal of a legal hold, which would have a date for years; empty where it is taken."""
        return self.run(self._held())

    async def _held(self) -> str:
        async with self.federation.dial_region(HOME, f"{HOME}-wang") as channel:
            request = HoldCustomerRequest(customer_id="customer-1", reference="court/1")
            while True:
                try:
                    await invoke(RetentionServiceStub(channel).HoldCustomer, request, CALL_SECONDS)
                except Refused as refused:
                    return reason_name(refused.reason)
                except Unreachable:
                    continue  # a handshake may take long on a busy machine
                return ""

    async def _member(self) -> Member:
        coordinators = self.federation.coordinator_replicas()
        try:
            stub = MembershipServiceStub(coordinators.in_turn()[0].channel)
            found = await invoke(stub.ListRegions, ListRegionsRequest(), CALL_SECONDS)
            return next(each for each in found.members if each.region == HOME)
        finally:
            await coordinators.close()


@pytest.fixture(name="regions")
def two_regions(tmp_path: Path) -> Iterator[SteppedClock]:
    regions = SteppedClock(tmp_path)
    regions.federation.valid = 2 * YEARS  # else a node cannot even start by the wrong clock
    regions.federation.prepare()
    regions.start()
    regions.open_counters(regions.federation.endpoint(HANDLING))
    try:
        yield regions
    finally:
        regions.close()


@pytest.mark.slow
def test_a_clock_four_years_ahead_bills_purges_and_fires_nothing_and_work_goes_on_when_it_is_right(
    regions: SteppedClock,
) -> None:
    suspension = regions.suspend(start=regions.in_a_week())
    assert regions.submit(suspension, wait=CALL_SECONDS).state == OrderState.ORDER_STATE_IN_PROGRESS
    regions.await_heartbeats(timedelta(0))
    before = regions.state()

    regions.clock.be_wrong_by(YEARS)
    regions.await_heartbeats(YEARS)
    waiting = regions.submit(regions.pay(), wait=0.0)
    process = regions.federation.processes[HOME]
    assert regions.state() == before
    process.kill()
    process.start()
    regions.await_heartbeats(YEARS)
    assert regions.state() == before

    regions.clock.be_wrong_by(timedelta(0))
    wait_until(
        lambda: regions.get(waiting.id).state == OrderState.ORDER_STATE_COMPLETED, PATIENCE_S, "the order of meanwhile"
    )
    assert regions.submit(regions.pay(), wait=CALL_SECONDS).state == OrderState.ORDER_STATE_COMPLETED
    assert regions.home.database.rows("SELECT COUNT(*) FROM inbox_forgotten") == [(0,)]


@pytest.mark.slow
def test_staff_confirm_a_clock_where_a_wrong_start_has_kept_a_time_of_the_future_and_no_coordinator_is_there(
    regions: SteppedClock,
) -> None:
    for each in ("wang", "zhao"):
        regions.federation.issue_staff(HOME, each)
    code, said = regions.confirm()
    assert (code, "CLOCK_NEEDS_NOBODY" in said) == (1, True), said

    regions.federation.processes[COORDINATOR].kill()
    regions.start_by(WEEKS)
    wait_until(lambda: regions.kept() > regions.now() + WEEKS / 2, PATIENCE_S, "the node goes by its clock alone")
    regions.start_by(timedelta(0))
    assert regions.held() == "CLOCK_UNTRUSTED", "for three weeks, or until somebody tells the time"

    code, said = regions.confirm(timedelta(days=1))
    assert (code, "CLOCK_DIFFERS" in said) == (1, True), said
    code, said = regions.confirm()
    assert (code, "APPROVAL_AWAITED" in said) == (1, True), said
    found = re.search(r"approval-\d+", said)
    assert found is not None, said
    code, said = regions.node("zhao", "approvals", "confirm", found[0])
    assert code == 0, said
    code, said = regions.confirm()
    assert (code, "The region goes on by the time" in said) == (0, True), said

    assert regions.held() == ""
    assert regions.kept() < regions.now() + timedelta(minutes=1)
    assert regions.home.database.rows("SELECT COUNT(*) FROM audit WHERE action = 'ConfirmClock'") == [(1,)]
