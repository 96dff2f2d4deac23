"""A fourth region joins a running federation, works, renews its certificates, and is revoked, all while calls run."""

import asyncio
import itertools
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from deploy.local.federation import FEDERATION, FEDERATION_FILES, OPERATOR, LocalFederation
from deploy.local.ports import HeldPort
from deploy.local.process import LocalProcess, Program, wait_until
from deploy.local.settings_files import credentials_table, write_settings
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import JoinRequest, MemberState, WatchRequest, WatchResponse
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.federation import files
from gateway.rpc.channels import Dialer
from gateway.security.authority import Authority
from gateway.security.identity import Identity, server_name
from gateway.security.tls import Credentials, RenewedCredentials
from gateway.time.clock import SystemClock, to_timestamp
from region_node.business.orders.rules import is_final
from tests import preloaded
from tests.preloaded import Ended
from tests.promises import OUT_WITHIN_S
from tests.shipped import without
from tests.stories.payments import (
    CLERK,
    COMPLETED,
    PATIENCE,
    Caller,
    Load,
    name_of,
    number_of,
    paid,
    payment,
    take_over,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

REGIONS = ("guangdong", "sichuan", "henan")
JOINER = "hunan"
ADMINISTRATORS = ("li", "wang")
CALLERS = 8  # between other regions, and as many from and to the joiner
JOINING, RENEWING, LEAVING = "joining", "renewing", "leaving"
LIFE = timedelta(seconds=48)
PACE = 0.2  # seconds between two questions: by papers, another region reads 1,000 bills a day
REVOKED = "CERTIFICATE_REVOKED"
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
        self.operator = directory / "certificates" / f"{JOINER}-{OPERATOR}"
        """The certificate of the joiner's operator system."""
        self.wanted = directory / "wanted"
        """The configuration with the joiner."""
        self._stack = stack

    def start(self) -> None:
        """Starts three regions of a configuration without the joiner, and a coordinator that serves enrolment."""
        self.federation.prepare()
        authority = Authority.load(self.directory / "authority")
        for name in ADMINISTRATORS:
            self.federation.issue(authority, Identity(FEDERATION, Role.ROLE_ADMIN, "", name), name)
        with self.federation.settings_file("coordinator").open("a", encoding="utf-8") as settings:
            settings.write(f'\n[enrolment]\nlisten = "127.0.0.1:{self.joining.number}"\n')
        self._stack.callback(self.federation.kill)
        keys = [self.typed(COORDINATOR, "federation", "create-key", self.key(name)) for name in ADMINISTRATORS]
        listed = "".join(f"  - {{name: {name}, key: {key}}}\n" for name, key in zip(ADMINISTRATORS, keys, strict=True))
        shutil.copytree(FEDERATION_FILES, self.wanted)
        (self.wanted / "administration.yaml").write_text(f"administration:\n  administrators:\n{listed}", "utf-8")
        present = self.directory / "present"
        present.mkdir()
        for name, text in files.dump(without(JOINER, files.load(self.wanted))).items():
            (present / name).write_text(text, "utf-8")
        self.federation.start(configuration=present)
        # From here on both administrators sign, where the one of the local federation signed alone.
        self.typed(COORDINATOR, "federation", "apply", str(present), "--key", str(self.federation.administrator.key))

    def key(self, name: str) -> str:
        """The file of an administrator's key."""
        return str(self.directory / f"{name}.key")

    def typed(self, module: str, *words: str, by: str = "li") -> str:
        """A command that has to succeed, and its output."""
        return self.answered("", module, *words, by=by).out

    def answered(self, answer: str, module: str, *words: str, by: str) -> Ended:
        """A command that has to succeed, once its question has this answer."""
        ended = preloaded.run(module, *words, environment=self._environment(by), typed=f"{answer}\n")
        assert ended.code == 0, ended.err
        return ended

    def launched(self, name: str, module: str, *words: str, by: str = "li") -> LocalProcess:
        """A command that goes on beside the test."""
        log = self.directory / "logs" / f"{name}.log"
        process = LocalProcess(Program(name, module, words, log, self.directory / name), preloaded.launch)
        process.launch(self._environment(by))
        self._stack.callback(process.kill)
        return process

    def enrolled(self) -> None:
        """Three commands: an invitation, the joiner's, and an approval. Two of them sign the configuration with it."""
        revision = str(self.directory / "revision.bin")
        proposing = ("--propose", str(self.wanted), revision, "--key", self.key("li"))
        token = self.typed(COORDINATOR, "enrolments", "invite", JOINER, *proposing).strip()
        coordinator = f"127.0.0.1:{self.joining.number}"
        join = self.launched("join", NODE, "join", token, "--coordinator", coordinator, "--out", str(self.out))
        told = "who approves: "
        wait_until(lambda: told in join.last_lines(), PATIENCE, "the joiner tells its id and fingerprint")
        approved = join.last_lines().partition(told)[2].split()[:2]
        words = ("--authority", str(self.directory / "authority"), "--days", "2")
        hours = ("--tls-hours", str(LIFE / timedelta(hours=1)))
        signing = ("--revision", revision, "--key", self.key("wang"))
        command = ("enrolments", "approve", *approved, *words, *hours, *signing)
        asked = self.answered("y", COORDINATOR, *command, by="wang").err
        assert f"certify the keys {approved[1]} for its new region {JOINER}?" in asked
        assert "certificates in force already" not in asked
        assert join.wait_for_end() == 0, join.last_lines()

    def certified(self) -> None:
        """The issuer of the joiner, which the authority makes, issues the certificate of its operator system."""
        authority, issuer = str(self.directory / "authority"), str(self.directory / f"{JOINER}-issuer")
        uri = Identity(FEDERATION, Role.ROLE_OPERATOR, JOINER, OPERATOR).uri
        words = ("issue-issuer", authority, JOINER, "--out", issuer, "--days", "20")
        self.typed(COORDINATOR, "certificates", *words)
        self.typed(NODE, "credentials", "issue", issuer, uri, "--out", str(self.operator))

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

    def dial_at(self, region: str) -> grpc.aio.Channel:
        """The operator system of a region, at its node."""
        return self.dial() if region == JOINER else self.federation.dial_region(region, f"{region}-{OPERATOR}")

    def dial(self) -> grpc.aio.Channel:
        """The operator system of the joiner, at its node."""
        name = server_name(Role.ROLE_REGION, JOINER, FEDERATION)
        return Dialer(Credentials.within(self.operator), SystemClock()).dial(f"127.0.0.1:{self.port.number}", name)

    def _environment(self, by: str) -> dict[str, str]:
        return {
            "CROSSREGION_COORDINATOR": self.federation.coordinator_endpoint,
            "CROSSREGION_CREDENTIALS": str(self.directory / "certificates" / by),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": "en",
        }


def callers(story: Story, ways: Sequence[tuple[str, str]]) -> list[Caller]:
    """The callers of these ways, from an origin to a home, one after the other; half of them connect for each order."""
    turns = itertools.islice(itertools.cycle(ways), CALLERS)
    return [
        Caller(origin, home, index, partial(story.dial_at, origin), index % 2 == 0)
        for index, (origin, home) in enumerate(turns)
    ]


@pytest.fixture(name="story")
def with_all_ended(tmp_path: Path) -> Iterator[Story]:
    with ExitStack() as stack:
        yield Story(tmp_path, stack)


async def bill(channel: grpc.aio.Channel, region: str) -> str:
    """How a question about the bill of a region's customer is answered."""
    now = datetime.now(UTC)
    paper = Document(code="ID_ORIG", verifier="probe", verify_time=to_timestamp(now), keyed_hash=bytes(32))
    request = QueryBillRequest(
        number=number_of(region),
        month=f"{now:%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        requester=CLERK,
    )
    return await outcome(BillingServiceStub(channel).QueryBill(request, timeout=10.0))


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return name_of(error)
    return "OK"


async def works(story: Story) -> None:
    """An order for a customer of the joiner, and one of the joiner for a customer of another region."""
    async with story.dial() as own, story.dial_at("guangdong") as guangdong:
        await take_over(own, JOINER, CALLERS)
        assert await paid(guangdong, number_of(JOINER)) == COMPLETED
        assert await paid(own, number_of("sichuan")) == COMPLETED


async def renewed_twice(story: Story) -> Counter[str]:
    """Asks until the certificate was renewed twice; returns how questions were answered.

    They are asked at the joiner over one connection and over new ones, and by another region across the federation.
    """
    answers: Counter[str] = Counter()
    serials, end = {story.serial()}, time.monotonic() + 4 * LIFE.total_seconds()
    async with story.dial() as lasting, story.dial_at("guangdong") as guangdong:
        while len(serials) < 3 and time.monotonic() < end:
            async with story.dial() as fresh:
                answers.update(await asyncio.gather(*(bill(each, JOINER) for each in (lasting, fresh, guangdong))))
            serials.add(story.serial())
            await asyncio.sleep(PACE)
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
    """Returns once another region has an answer of the joiner, which has no customer yet."""
    async with story.dial_at("guangdong") as channel, asyncio.timeout(PATIENCE):
        while await bill(channel, JOINER) != "PROOF_NOT_OF_NUMBER":  # noqa: ASYNC110 - of other processes
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


async def revoked(story: Story, directories: Sequence[str], load: Load) -> None:
    """Revokes the joiner: within the promised time nobody hears it and nobody asks it any more.

    Prints the seconds of each part since the last command.
    """
    uri = Identity(FEDERATION, Role.ROLE_REGION, JOINER, "").uri
    async with connected(story) as joiner, story.dial() as own, story.dial_at("guangdong") as guangdong:
        for channel, region in ((guangdong, JOINER), (own, "sichuan")):
            assert await bill(channel, region) == "OK", "it asks and answers to the last"
        load.phase = LEAVING
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
            in_time("a question to its node", until_told(guangdong, JOINER, "SEALING_KEY_MISSING")),
            in_time("a question of its node", until_told(own, "sichuan", REVOKED)),
        )
    assert (called, streamed) == (REVOKED, REVOKED)


async def until_told(channel: grpc.aio.Channel, region: str, wanted: str) -> str:
    """Returns once a question about a bill is refused so; those before may be answered, or be lost on their way."""
    while (told := await bill(channel, region)) != wanted:
        pass
    return told


async def submitted(channel: grpc.aio.Channel, region: str) -> str:
    """The refusal of an order for a customer of a region, or its state; empty for one that waits."""
    try:
        answer = await OrderServiceStub(channel).SubmitOrder(payment(number_of(region)), timeout=20.0)
    except grpc.aio.AioRpcError as error:
        return name_of(error)
    return OrderState.Name(answer.order.state) if is_final(answer.order) else ""


async def nothing_passes(story: Story) -> None:
    """Orders of both directions wait.

    The revocation ends the joiner's issuer, too: a node of it that has heard of that refuses its own operator systems.
    """
    async with story.dial() as own, story.dial_at("guangdong") as guangdong:
        assert await submitted(guangdong, JOINER) == ""
        assert await submitted(own, "sichuan") in ("", REVOKED)


async def life(story: Story) -> None:
    """The joiner from its invitation to its end, while operator systems of all regions order."""
    issuer, authority = str(story.directory / "issuer"), str(story.directory / "authority")
    hours, load = str(LIFE / timedelta(hours=1)), Load(JOINING)
    for region in REGIONS:
        async with story.dial_at(region) as channel:
            await take_over(channel, region, CALLERS)
    others = callers(story, list(itertools.permutations(REGIONS, 2)))
    with_joiner = callers(story, [way for each in REGIONS for way in ((each, JOINER), (JOINER, each))])
    load.begin(others)
    issuing = story.launched("issuing", COORDINATOR, "enrolments", "renew", issuer, "--hours", hours)
    await asyncio.to_thread(story.enrolled)
    await asyncio.to_thread(story.certified)
    node = await asyncio.to_thread(story.node)
    await until_joined(story)
    await until_served(story)
    await works(story)
    load.begin(with_joiner)
    load.phase = RENEWING
    answers = await renewed_twice(story)
    assert set(answers) == {"OK"}, f"{answers}\n{node.last_lines(40)}\n{issuing.last_lines()}"
    issuing.kill()
    # The next certificate lasts: thereafter the joiner goes out by its revocation alone.
    before = story.serial()
    last = story.launched("last", COORDINATOR, "enrolments", "renew", issuer, "--hours", "1")
    await asyncio.to_thread(wait_until, lambda: story.serial() != before, PATIENCE, "the last certificate is renewed")
    last.kill()
    await revoked(story, (authority, issuer), load)
    await load.cut(with_joiner)
    await nothing_passes(story)
    await until_lost(story)
    await load.stop()
    load.require_completed(others, (JOINING, RENEWING, LEAVING))
    load.require_completed(with_joiner, (RENEWING,))
    node.kill()


def test_a_fourth_region_joins_renews_twice_under_load_and_is_out_once_revoked(story: Story) -> None:
    story.start()
    # All that takes time on a busy machine comes before the first certificate, whose life is short.
    issuer, authority = str(story.directory / "issuer"), str(story.directory / "authority")
    story.typed(COORDINATOR, "certificates", "issue-node-issuer", authority, "--out", issuer, "--days", "20")
    assert JOINER not in story.typed(COORDINATOR, "federation", "show")
    asyncio.run(life(story))
