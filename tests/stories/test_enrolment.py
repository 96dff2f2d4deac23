"""A fourth region joins a running federation, works, renews its certificate while calls run, and is revoked."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from cryptography import x509
from google.protobuf.duration_pb2 import Duration

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.ports import HeldPort
from deploy.local.process import LocalProcess, Program, wait_until
from deploy.local.settings_files import credentials_table, write_settings
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import JoinRequest, MemberState, WatchRequest, WatchResponse
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Money, Requester
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.channels import Dialer
from gateway.security.authority import Authority
from gateway.security.identity import Identity, server_name
from gateway.security.tls import Credentials, RenewedCredentials
from gateway.time.clock import SystemClock, to_timestamp
from region_node.business.orders.rules import is_final
from tests import preloaded
from tests.promises import OUT_WITHIN_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

REGIONS = ("guangdong", "sichuan", "henan")
JOINER, NUMBER = "hunan", "+8619843000001"  # of nobody
CUSTOMERS = {JOINER: "+8619843000002", "sichuan": "+8619851000002"}
CLERK = Requester(staff_id="probe", channel=Channel.CHANNEL_COUNTER)
LIFE = timedelta(seconds=36)
PATIENCE = 60.0
COMPLETED, REVOKED = "ORDER_STATE_COMPLETED", "CERTIFICATE_REVOKED"
COORDINATOR, NODE = "coordinator.cli.main", "region_node.cli.main"


class Story:
    """The federation, its administrators at their machine, and the machine of the joiner."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.federation = LocalFederation(directory, REGIONS, launcher=preloaded.launch)
        self.joining = HeldPort()
        self.port = HeldPort()
        self.out = directory / "node"
        self.data = directory / "data" / JOINER
        self._stack = stack

    def start(self) -> None:
        """Starts three regions, and a coordinator that serves enrolment."""
        self.federation.prepare()
        authority = Authority.load(self.directory / "authority")
        for name in ("li", "wang"):
            self.federation.issue(authority, Identity(FEDERATION, Role.ROLE_ADMIN, "", name), name)
        operator = Identity(FEDERATION, Role.ROLE_OPERATOR, JOINER, OPERATOR)
        self.federation.issue(authority, operator, f"{JOINER}-{OPERATOR}")
        with self.federation.settings_file("coordinator").open("a", encoding="utf-8") as settings:
            settings.write(f'\n[enrolment]\nlisten = "127.0.0.1:{self.joining.number}"\n')
        self._stack.callback(self.federation.kill)
        self.federation.start()

    def typed(self, module: str, *words: str, by: str = "li") -> str:
        """A command that has to succeed, and its output."""
        ended = preloaded.run(module, *words, environment=self._environment(by))
        assert ended.code == 0, ended.err
        return ended.out

    def launched(self, name: str, module: str, *words: str, by: str = "li") -> LocalProcess:
        """A command that goes on beside the test."""
        log = self.directory / "logs" / f"{name}.log"
        process = LocalProcess(Program(name, module, words, log, self.directory / name), preloaded.launch)
        process.launch(self._environment(by))
        self._stack.callback(process.kill)
        return process

    def enrolled(self) -> None:
        """Three commands: an invitation, the joiner's, and an approval."""
        token = self.typed(COORDINATOR, "enrolments", "invite", JOINER).strip()
        coordinator = f"127.0.0.1:{self.joining.number}"
        join = self.launched("join", NODE, "join", token, "--coordinator", coordinator, "--out", str(self.out))
        told = "who approves: "
        wait_until(lambda: told in join.last_lines(), PATIENCE, "the joiner tells its id and fingerprint")
        approved = join.last_lines().partition(told)[2].split()[:2]
        words = ("--authority", str(self.directory / "authority"), "--days", "2")
        hours = str(LIFE / timedelta(hours=1))
        self.typed(COORDINATOR, "enrolments", "approve", *approved, *words, "--tls-hours", hours, by="wang")
        assert join.wait_for_end() == 0, join.last_lines()

    def node(self) -> LocalProcess:
        """Starts the node of the joiner."""
        settings, port_file = self.directory / "settings" / f"{JOINER}.toml", self.directory / "data" / f"{JOINER}.port"
        write_settings(
            settings,
            {
                "federation": FEDERATION,
                "region": JOINER,
                "listen": f"127.0.0.1:{self.port.number}",
                "data": str(self.data),
                "port_file": str(port_file),
                "coordinators": (self.federation.coordinator_endpoint,),
                "keys": str(self.out / "region.keys"),
                "federation_anchor": str(self.federation.administrator.anchor),
                "operators": str(self.federation.scopes_file),
                "credentials": credentials_table(self.out),
                "signing": {"certificate": str(self.out / "signing.crt"), "key": str(self.out / "signing.key")},
            },
        )
        log = self.directory / "logs" / f"{JOINER}.log"
        process = LocalProcess(
            Program(JOINER, NODE, ("serve", "--settings", str(settings)), log, port_file), preloaded.launch
        )
        self._stack.callback(process.kill)
        process.start()
        return process

    def serial(self) -> int:
        """The serial number of the joiner's certificate in use."""
        certificate = self.credentials().in_use(datetime.now(UTC)).certificate
        return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number

    def credentials(self) -> Credentials:
        """The credentials of the joiner's node, as it was enrolled or renewed since."""
        return RenewedCredentials.of(Credentials.within(self.out), self.data / "renewed")

    def dial(self) -> grpc.aio.Channel:
        """The operator system of the joiner, at its node."""
        directory = self.directory / "certificates" / f"{JOINER}-{OPERATOR}"
        name = server_name(Role.ROLE_REGION, JOINER, FEDERATION)
        return Dialer(Credentials.within(directory), SystemClock()).dial(f"127.0.0.1:{self.port.number}", name)

    def _environment(self, by: str) -> dict[str, str]:
        return {
            "CROSSREGION_COORDINATOR": self.federation.coordinator_endpoint,
            "CROSSREGION_CREDENTIALS": str(self.directory / "certificates" / by),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": "en",
        }


@pytest.fixture(name="story")
def with_all_ended(tmp_path: Path) -> Iterator[Story]:
    with ExitStack() as stack:
        yield Story(tmp_path, stack)


async def bill(channel: grpc.aio.Channel, number: str) -> str:
    """How a question about a bill is answered: a node that serves knows no such customer."""
    now = datetime.now(UTC)
    paper = Document(code="ID_ORIG", verifier="probe", verify_time=to_timestamp(now), keyed_hash=bytes(32))
    request = QueryBillRequest(
        number=number,
        month=f"{now:%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        requester=CLERK,
    )
    return await outcome(BillingServiceStub(channel).QueryBill(request, timeout=10.0))


async def take_over(channel: grpc.aio.Channel, region: str) -> None:
    """Gives a region its customer."""
    number = CUSTOMERS[region]
    line = Product(id="product-1", number=number, plan_id=f"{region}-29", status=ProductStatus.PRODUCT_STATUS_ACTIVE)
    line.start_time.FromDatetime(datetime.now(UTC) - timedelta(days=400))
    account = BillingAccount(id="account-1", balance=Money(currency="CNY"))
    customer = Customer(id="customer-1", name="Li Wei", product=line, billing_account=account)
    request = BatchCreateCustomersRequest(customers=[customer], requester=CLERK)
    await CustomerServiceStub(channel).BatchCreateCustomers(request, timeout=10.0)


def payment(region: str) -> SubmitOrderRequest:
    """A new order for the customer of a region."""
    order = OrderRequest(
        business="PAY",
        number=CUSTOMERS[region],
        applicant=Applicant.APPLICANT_HOLDER,
        characteristics={"amount": "1"},
        requester=CLERK,
    )
    return SubmitOrderRequest(request_id=uuid4().hex, order=order, wait=Duration(seconds=5))


async def paid(channel: grpc.aio.Channel, region: str) -> str:
    """How a payment at a counter ends. As any client, this one repeats its request until the order is final."""
    request, told = payment(region), ""
    async with asyncio.timeout(PATIENCE):
        while told in ("", "UNAVAILABLE"):
            try:
                answer = await OrderServiceStub(channel).SubmitOrder(request, timeout=10.0)
            except grpc.aio.AioRpcError as error:
                told = name_of(error)
            else:
                told = OrderState.Name(answer.order.state) if is_final(answer.order) else ""
            await asyncio.sleep(0.02)
    return told


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return name_of(error)
    return "OK"


def name_of(error: grpc.aio.AioRpcError) -> str:
    """The reason of a refusal; the status of a call without an answer."""
    refused = from_rpc_error(error)
    return error.code().name if refused is None else reason_name(refused.reason)


async def works(story: Story) -> None:
    """An order for a customer of the joiner, and one of the joiner for a customer of another region."""
    guangdong, sichuan = (story.federation.dial_region(each, f"{each}-{OPERATOR}") for each in ("guangdong", "sichuan"))
    async with story.dial() as own, guangdong, sichuan:
        await take_over(own, JOINER)
        await take_over(sichuan, "sichuan")
        assert await paid(guangdong, JOINER) == COMPLETED
        assert await paid(own, "sichuan") == COMPLETED


async def renewed_twice(story: Story) -> Counter[str]:
    """Makes calls until the certificate was renewed twice; returns how they were answered.

    They are asked at the joiner over one connection and over new ones, and by another region across the federation.
    """
    answers: Counter[str] = Counter()
    serials, end = {story.serial()}, time.monotonic() + 4 * LIFE.total_seconds()
    guangdong = story.federation.dial_region("guangdong", f"guangdong-{OPERATOR}")
    async with story.dial() as lasting, guangdong:
        while len(serials) < 3 and time.monotonic() < end:
            async with story.dial() as fresh:
                calls = (bill(each, CUSTOMERS[JOINER]) for each in (lasting, fresh, guangdong))
                orders = (paid(guangdong, JOINER), paid(fresh, "sichuan"))
                answers.update(await asyncio.gather(*calls, *orders))
            serials.add(story.serial())
    assert len(serials) == 3, f"renewed {len(serials) - 1} times"
    return answers


async def until_joined(story: Story) -> None:
    async with story.federation.dial_coordinator() as channel, asyncio.timeout(PATIENCE):
        while True:
            listed = await MembershipServiceStub(channel).ListRegions(ListRegionsRequest(), timeout=10.0)
            if any(each.region == JOINER and each.state == MemberState.MEMBER_STATE_JOINED for each in listed.members):
                return
            await asyncio.sleep(0.1)


async def until_served(story: Story) -> None:
    """Returns once another region has an answer of the joiner."""
    async with story.federation.dial_region("guangdong", f"guangdong-{OPERATOR}") as channel, asyncio.timeout(PATIENCE):
        while await bill(channel, NUMBER) != "SUBSCRIPTION_NOT_FOUND":  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)


async def until_lost(story: Story) -> None:
    """Returns once the coordinator lists the joiner as lost."""
    async with story.federation.dial_coordinator() as channel, asyncio.timeout(PATIENCE):
        while True:
            listed = await MembershipServiceStub(channel).ListRegions(ListRegionsRequest(), timeout=10.0)
            if any(each.region == JOINER and each.state == MemberState.MEMBER_STATE_LOST for each in listed.members):
                return
            await asyncio.sleep(0.05)


@dataclass
class Connected:
    """What the joiner has open before it is revoked: a connection and a stream to the coordinator."""

    service: FederationServiceStub
    stream: grpc.aio.UnaryStreamCall[WatchRequest, WatchResponse]

    async def joins(self) -> str:
        """Another call on the connection."""
        return await outcome(self.service.Join(JoinRequest(), timeout=10.0))

    async def ended(self) -> str:
        """How the stream ends."""

        async def to_the_end() -> None:
            while await self.stream.read() is not grpc.aio.EOF:
                pass

        return await outcome(to_the_end())


@asynccontextmanager
async def connected(story: Story) -> AsyncIterator[Connected]:
    """Connects as the node of the joiner does. Its name fits, so that the coordinator takes it for that node."""
    name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
    dialer = Dialer(story.credentials(), SystemClock())
    async with dialer.dial(story.federation.coordinator_endpoint, name) as own, asyncio.timeout(2 * PATIENCE):
        service = FederationServiceStub(own)
        stream = service.Watch(WatchRequest())
        assert await stream.read() is not grpc.aio.EOF
        yield Connected(service, stream)


async def revoked(story: Story, directories: Sequence[str]) -> None:
    """Revokes the joiner: within the promised time nobody hears it and nobody asks it any more.

    Prints the seconds of each part since the last command.
    """
    uri = Identity(FEDERATION, Role.ROLE_REGION, JOINER, "").uri
    guangdong = story.federation.dial_region("guangdong", f"guangdong-{OPERATOR}")
    async with connected(story) as joiner, story.dial() as own, guangdong:
        for channel, region in ((guangdong, JOINER), (own, "sichuan")):
            assert await bill(channel, CUSTOMERS[region]) == "OK", "it asks and answers to the last"
        for directory in directories:
            await asyncio.to_thread(story.typed, COORDINATOR, "certificates", "revoke", directory, uri)
            crl = os.path.join(directory, "revoked.crl")
            await asyncio.to_thread(story.typed, COORDINATOR, "revocations", "publish", crl)
        loop = asyncio.get_running_loop()
        since = loop.time()

        async def in_time(what: str, ending: Awaitable[str]) -> str:
            try:
                async with asyncio.timeout_at(since + OUT_WITHIN_S):
                    told = await ending
            except TimeoutError:
                raise TimeoutError(f"{what} is served {OUT_WITHIN_S} s after the revocation") from None
            print(f"{loop.time() - since:.1f} s after the revocation: {what}: {told}")
            return told

        # Nothing is sealed to what was revoked, and nothing taken of it.
        called, streamed, *_ = await asyncio.gather(
            in_time("a call on the open connection", joiner.joins()),
            in_time("the open stream", joiner.ended()),
            in_time("a question to its node", until_told(guangdong, CUSTOMERS[JOINER], "SEALING_KEY_MISSING")),
            in_time("a question of its node", until_told(own, CUSTOMERS["sichuan"], REVOKED)),
        )
    assert (called, streamed) == (REVOKED, REVOKED)


async def until_told(channel: grpc.aio.Channel, number: str, wanted: str) -> str:
    """Returns once a question about a bill is refused so; those before may be answered, or be lost on their way."""
    while (told := await bill(channel, number)) != wanted:
        pass
    return told


async def nothing_passes(story: Story) -> None:
    """Orders of both directions wait."""
    guangdong = story.federation.dial_region("guangdong", f"guangdong-{OPERATOR}")
    async with story.dial() as own, guangdong:
        for channel, region in ((guangdong, JOINER), (own, "sichuan")):
            answer = await OrderServiceStub(channel).SubmitOrder(payment(region), timeout=20.0)
            assert not is_final(answer.order), OrderState.Name(answer.order.state)


def test_a_fourth_region_joins_renews_twice_under_load_and_is_out_once_revoked(story: Story) -> None:
    story.start()
    # All that takes time on a busy machine comes before the first certificate, whose life is short.
    issuer, authority = str(story.directory / "issuer"), str(story.directory / "authority")
    story.typed(COORDINATOR, "certificates", "issue-node-issuer", authority, "--out", issuer, "--days", "20")
    hours = str(LIFE / timedelta(hours=1))
    issuing = story.launched("issuing", COORDINATOR, "enrolments", "renew", issuer, "--hours", hours)
    story.enrolled()
    node = story.node()
    asyncio.run(until_joined(story))
    asyncio.run(until_served(story))
    asyncio.run(works(story))
    answers = asyncio.run(renewed_twice(story))
    told = f"{answers}\n{node.last_lines(40)}\n{issuing.last_lines()}"
    assert set(answers) == {"OK", COMPLETED}, told
    issuing.kill()
    # What follows shows a revocation, and not the end of a certificate.
    before = story.serial()
    last = story.launched("last", COORDINATOR, "enrolments", "renew", issuer, "--hours", "1")
    wait_until(lambda: story.serial() != before, PATIENCE, "the last certificate is renewed")
    last.kill()
    asyncio.run(revoked(story, (authority, issuer)))
    asyncio.run(nothing_passes(story))
    asyncio.run(until_lost(story))
    node.kill()
