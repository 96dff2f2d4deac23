"""What an operator system may do by the scopes that its region has given it."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1.approval_service_pb2 import ListApprovalsRequest, OperatorScope, SetOperatorScopeRequest
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import WatchOrdersRequest
from gateway.federation.policies import DAY_WORK
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import REQUESTER, Approver, Counter
from tests.federation.databases import Databases
from tests.federation.joint_staff import JointStaff
from tests.federation.refusals import read, refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.sharing_counter import SharingCounter
from tests.federation.web_caller import ORDERS, web_caller

SCOPES = """
[counter]
services = ["OrderService", "CustomerService", "SharingService", "VerificationService"]
businesses = ["SUSPEND"]
purposes = ["counter-service"]
staff = "named"

[app]
services = ["OrderService"]
businesses = ["*"]

[crm]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
staff = "named"
"""
MISSING = "OPERATOR_SCOPE_MISSING"


@asynccontextmanager
async def scoped(tmp_path: Path, databases: Databases, scopes: str = SCOPES) -> AsyncIterator[Federation]:
    """A federation in which the operator systems and the staff of Guangdong have scopes."""
    file = tmp_path / "operators.toml"
    file.write_text(scopes)
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        await federation.stop_node("guangdong")
        federation.operators["guangdong"] = file
        federation.open_web("guangdong")
        await federation.start_node("guangdong")
        yield federation


async def told(call: Awaitable[object]) -> tuple[str, str]:
    """The reason of a refusal, and what the scope lacks."""
    refused = await refusal(call)
    return refused.reason, refused.parameters.get("name", "")


async def test_an_operator_system_does_what_its_scope_contains_and_nothing_else(
    databases: Databases, tmp_path: Path
) -> None:
    async with scoped(tmp_path, databases) as narrow:
        counter, crm, stranger = (Counter(narrow, "guangdong", name) for name in ("counter", "crm", "kiosk"))
        number = await Counter(narrow, "sichuan").new_customer()
        assert (await counter.order("SUSPEND", number)).state == OrderState.ORDER_STATE_COMPLETED
        assert await told(counter.order("TERMINATE", number)) == (MISSING, "TERMINATE")
        assert await told(counter.bill(number)) == (MISSING, "BillingService")
        assert await told(stranger.order("SUSPEND", number)) == (MISSING, "OrderService")
        await crm.bill(number)
        assert (await crm.order("RESUME", number)).state == OrderState.ORDER_STATE_COMPLETED

        for name, reason in (("kiosk", MISSING), ("app", "STAFF_NOT_PROVEN")):
            by_http = await web_caller(narrow, f"region/guangdong/operator/{name}").ask("GET", ORDERS)
            assert (by_http.status, by_http.body["code"]) == (HTTPStatus.FORBIDDEN, reason)

        sharing = SharingCounter.of(narrow, "guangdong")
        await sharing.consent(number, "guangdong", "counter-service")
        await sharing.read(number, "counter-service")
        assert await told(sharing.read(number, "complaint-handling")) == (MISSING, "complaint-handling")
        assert await told(sharing.consent(number, "guangdong", "complaint-handling")) == (MISSING, "complaint-handling")
        assert await told(SharingCounter.of(narrow, "guangdong", "kiosk").read(number)) == (MISSING, "SharingService")
        by_staff = await told(sharing.by_staff().read(number, "complaint-handling"))
        assert by_staff == (MISSING, "complaint-handling")

        denied = narrow.database("guangdong").rows("SELECT actor, subject FROM audit WHERE action = 'DENIED'")
        assert (counter.path, "/gateway.api.region.v1.OrderService/SubmitOrder") in denied
        assert (stranger.path, "/gateway.api.region.v1.OrderService/SubmitOrder") in denied


async def test_staff_hand_in_a_joint_order_by_a_scope_of_their_own_and_with_papers_that_they_have_seen_themselves(
    databases: Databases, tmp_path: Path
) -> None:
    scopes = f'{SCOPES}["staff/wang"]\nbusinesses = ["LEASED_LINE"]\n'
    async with scoped(tmp_path, databases, scopes) as narrow:
        places = ("guangdong", "sichuan")
        wang, li = JointStaff(narrow, "guangdong"), JointStaff(narrow, "guangdong", "staff/li")
        named, seen = wang.request("LEASED_LINE", places), wang.request("LEASED_LINE", places)
        named.order.requester.staff_id = seen.order.documents[0].verifier = "li"
        for of_a_colleague in (named, seen):
            assert (await refusal(wang.submits(of_a_colleague))).reason == "STAFF_DIFFERS"
        order = await wang.submits(wang.request("LEASED_LINE", places))
        assert order.request.requester.staff_id == "wang"
        with_code = wang.request("LEASED_LINE", places)
        with_code.order.documents.add(code="OTP", verifier="home").verify_time.GetCurrentTime()
        with_code.order.documents[-1].keyed_hash = bytes(32)
        await wang.submits(with_code)
        with_code.request_id, with_code.order.documents[-1].verifier = narrow.next_id(), "li"
        assert (await refusal(wang.submits(with_code))).reason == "STAFF_DIFFERS"
        assert await told(li.submits(li.request("LEASED_LINE", places))) == (MISSING, "LEASED_LINE")


async def test_an_operator_system_beyond_its_share_of_a_day_is_refused_and_others_work_on(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.requests.day_work.LOOK", 0.05)
    async with scoped(tmp_path, databases) as narrow:
        configuration = await narrow.configuration()
        (policy,) = (each for each in configuration.policies if each.name == DAY_WORK)
        policy.figure.value = 3
        await narrow.apply(configuration)
        counter, crm = Counter(narrow, "guangdong"), Counter(narrow, "guangdong", "crm")
        number = await crm.new_customer()
        order = await counter.order("SUSPEND", number)

        async def is_refused() -> bool:
            try:
                await counter.get(order.id)
            except grpc.aio.AioRpcError as error:
                return read(error).reason == "DAY_WORK_TOO_MUCH"
            return False

        await until(is_refused, "readings leave rows, too")
        assert (await refusal(counter.order("SUSPEND", number))).reason == "DAY_WORK_TOO_MUCH"
        assert (await crm.read(number)).product.number == number


async def scopes_command(federation: Federation, *words: str, code: int = 0) -> str:
    """The output of `region-node scopes`, as the member of staff `li`."""
    environment = as_caller(federation, "guangdong", "staff/li")
    ended = await run_command("region_node.cli.main", "scopes", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def test_a_narrower_scope_counts_at_once_and_a_wider_one_once_a_second_person_has_confirmed_it(
    databases: Databases, tmp_path: Path
) -> None:
    async with scoped(tmp_path, databases) as narrow:
        counter, changes = Counter(narrow, "guangdong"), tmp_path / "changes.toml"
        number = await Counter(narrow, "sichuan").new_customer()
        await counter.order("SUSPEND", number)
        watch = counter.orders.WatchOrders(WatchOrdersRequest(requester=REQUESTER))
        await watch.read()
        changes.write_text(SCOPES.replace('"OrderService", ', ""))
        await until_taken_over(narrow)
        await scopes_command(narrow, "set", "counter", str(changes))
        assert await told(counter.order("SUSPEND", number)) == (MISSING, "OrderService")

        async def watch_ends() -> None:
            while await watch.read() is not grpc.aio.EOF:
                pass

        assert await told(watch_ends()) == (MISSING, "OrderService")

        changes.write_text(SCOPES.replace('["OrderService"', '["JointOrderService", "OrderService"'))
        refused = await scopes_command(narrow, "set", "counter", str(changes), code=1)
        assert "APPROVAL_AWAITED" in refused
        assert await told(counter.order("SUSPEND", number)) == (MISSING, "OrderService")
        zhao, li = Approver(narrow, "guangdong"), Approver(narrow, "guangdong", "li")
        (waiting,) = (
            await zhao.approvals.ListApprovals(ListApprovalsRequest(undecided=True), timeout=CALL_SECONDS)
        ).approvals
        assert waiting.reference == 'counter: services + ["JointOrderService", "OrderService"]'
        assert await told(li.confirm(waiting.id)) == ("APPROVER_IS_PROPOSER", "")
        await zhao.confirm(waiting.id)
        await scopes_command(narrow, "set", "counter", str(changes))
        staff = JointStaff(narrow, "guangdong", "operator/counter")
        joint = staff.submits(staff.request("BB_MOVE", ["sichuan", "guangdong"], number))
        assert await told(joint) == (MISSING, "BB_MOVE")

        for wrong in (
            SetOperatorScopeRequest(operator="no name"),
            SetOperatorScopeRequest(operator="counter", scope=OperatorScope(operator="crm")),
            SetOperatorScopeRequest(operator="counter", scope=OperatorScope(services=[""])),
            SetOperatorScopeRequest(operator="counter", scope=OperatorScope(services=["ApprovalService"])),
        ):
            assert (await told(zhao.approvals.SetOperatorScope(wrong, timeout=CALL_SECONDS)))[0] == "REQUEST_INVALID"
        typed = SetOperatorScopeRequest(operator="staff/Li", scope=OperatorScope(operator="staff/LI"))
        kept = await zhao.approvals.SetOperatorScope(typed, timeout=CALL_SECONDS)
        assert kept.scope.operator == "staff/li", "a person has one scope, however the name is typed"
        await scopes_command(narrow, "remove", "app")
        assert "has no table kiosk" in await scopes_command(narrow, "set", "kiosk", str(changes), code=2)
        names = [line.split()[0] for line in (await scopes_command(narrow, "show")).splitlines()[1:]]
        assert {"counter", "crm"} <= {*names}
        assert "app" not in names
        await narrow.stop_node("guangdong")
        narrow.operators["guangdong"].write_text(f"{SCOPES}[kiosk]\nservices = ['*']\n")
        await narrow.start_node("guangdong")
        assert await told(Counter(narrow, "guangdong", "kiosk").order("SUSPEND", number)) == (MISSING, "OrderService")


@pytest.mark.several_processes
async def test_each_process_of_a_region_knows_a_narrower_scope(databases: Databases, tmp_path: Path) -> None:
    async with scoped(tmp_path, databases) as narrow:
        await narrow.start_node("guangdong/1")
        await until_taken_over(narrow)
        other, crm = Counter(narrow, "guangdong", number=1), Counter(narrow, "guangdong", "crm")
        number = await crm.new_customer()
        await until_configured(other, number)
        assert (await other.read(number)).product.number == number
        await scopes_command(narrow, "remove", "counter")

        async def is_gone() -> bool:
            try:
                return await told(other.read(number)) == (MISSING, "CustomerService")
            except pytest.fail.Exception:
                return False

        await until(is_gone, "the other process has looked at the database")


async def until_taken_over(federation: Federation) -> None:
    """Waits until the database has the scopes of the file."""

    async def is_taken_over() -> bool:
        return bool(federation.database("guangdong").rows("SELECT sha256 FROM operator_scope_files"))

    await until(is_taken_over, "a file is taken over soon after the first start")


async def until_configured(counter: Counter, number: str) -> None:
    """Waits until the process of a counter has the configuration: another one of the region had it before."""

    async def is_configured() -> bool:
        try:
            await counter.read(number)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                return False
            raise
        return True

    await until(is_configured, "a process of the region has the configuration")
