"""The authority of a running federation is replaced while orders run, as docs/operations.md says."""

import asyncio
import functools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.channels import Dialer
from gateway.security.authority import AUTHORITY_CERTIFICATE, Authority
from gateway.security.identity import parse, server_name
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.counter import WAIT, Counter, seconds
from tests.federation.databases import Databases
from tests.federation.forger import ERASURE, Forger, bring, not_delivered
from tests.federation.running import CALL_SECONDS, MESSAGING, Federation, running, until
from tests.federation.test_certificates import dial_guangdong, list_orders

REGIONS = ("guangdong", "sichuan")
DESK = "region/guangdong/operator/counter"
MEMBERS = ("coordinator/0", "region/guangdong", "region/sichuan")
PROVIDERS = tuple(f"region/{region}/provider/{MESSAGING}" for region in REGIONS)
EVERYBODY = (*MEMBERS, *PROVIDERS, "admin/root", DESK)
FOLLOWED = "trusting the authority now in"
DAY = timedelta(days=1)
BATCHES, BATCH = 4, 500  # customers: more than the loop gets to
CALLED = "guangdong"
"""The region whose node the operator system calls."""
CUT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""The statuses of a call that is on its way as the one process of its node stops."""


class Load:
    """Orders across the border, one after the other. Each is one call, of a client that repeats none by itself."""

    def __init__(self, federation: Federation, numbers: list[str], *, connects_anew: bool) -> None:
        """A load connects for each order, or once for as long as its node serves."""
        self._federation = federation
        self._counter = Counter(federation, CALLED)
        self._numbers = iter(numbers)
        self._connects_anew = connects_anew
        self._connections = AsyncExitStack()
        self._lasting: tuple[str, grpc.aio.Channel] | None = None
        self._over = asyncio.Event()
        self.away = ""
        """The region whose node restarts now."""
        self.done: list[str] = []
        """The ids of answered orders."""
        self.cut: list[str] = []
        """The ends of calls that the restart of their own node has cut off. They are made again with the same id."""
        self.failed: list[str] = []
        """The ends of all other calls without an answer."""

    async def run(self) -> None:
        """Orders until it is over. No call begins while its own node is away."""
        async with self._connections:
            for number in self._numbers:
                if self._over.is_set():
                    return
                request = order_api.SubmitOrderRequest(
                    request_id=self._federation.next_id(),
                    order=self._counter.request("SUSPEND", number),
                    wait=seconds(WAIT),
                )
                await until(functools.partial(self._has_ended, request), "a call ends")

    def end(self) -> None:
        """Has the loop end after the present order."""
        self._over.set()

    async def goes_on(self) -> None:
        """Returns once two more orders are answered: the second was begun after the call."""
        before = len(self.done)
        await until(lambda: self._has_done(before + 2), "orders go on")

    async def _has_done(self, count: int) -> bool:
        return len(self.done) >= count

    async def _channel(self) -> grpc.aio.Channel:
        """A connection with the files of now, or the one that lasts."""
        endpoint = self._federation.endpoint(CALLED)
        if self._lasting is not None and self._lasting[0] == endpoint and not self._connects_anew:
            return self._lasting[1]
        await self._connections.aclose()
        dialer = Dialer(self._federation.certificates.credentials(DESK), self._federation.clock)
        dialled = dialer.dial(endpoint, server_name(Role.ROLE_REGION, CALLED, FEDERATION))
        self._lasting = endpoint, await self._connections.enter_async_context(dialled)
        return self._lasting[1]

    async def _has_ended(self, request: order_api.SubmitOrderRequest) -> bool:
        """Makes one call, unless its node is away; whether it has an answer, or has failed for good."""
        if CALLED not in self._federation.nodes:
            return False
        try:
            answer = await OrderServiceStub(await self._channel()).SubmitOrder(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            told = f"{error.code().name} {error.details()}"
            is_cut = self.away == CALLED and error.code() in CUT
            (self.cut if is_cut else self.failed).append(told)
            return not is_cut
        self.done.append(answer.order.id)
        return True


async def restart(federation: Federation, region: str, loads: Sequence[Load]) -> None:
    """Restarts a node while orders run."""
    for load in loads:
        load.away = region
    await federation.stop_node(region)
    await federation.start_node(region)
    for load in loads:
        load.away = ""


async def go_on(loads: Sequence[Load]) -> None:
    """Returns once the orders of all loads go on."""
    await asyncio.gather(*(each.goes_on() for each in loads))


def give_authority(federation: Federation, pem: bytes) -> None:
    """Replaces `authority.crt` of everybody."""
    for path in EVERYBODY:
        federation.certificates.credentials(path).authority.write_bytes(pem)


def issue_all(federation: Federation, authority: Authority) -> None:
    """New certificates for everybody, written as `coordinator certificates issue` does."""
    now = datetime.now(UTC)
    for path in EVERYBODY:
        issued = authority.issue(parse(f"spiffe://{FEDERATION}/{path}", FEDERATION), now - DAY, now + 3000 * DAY)
        issued.write(federation.certificates.credentials(path).authority.parent)


async def until_followed(caplog: pytest.LogCaptureFixture, times: int) -> None:
    """Returns once every member trusts what stands in its file, so many times."""

    async def holds() -> bool:
        told = [each.getMessage() for each in caplog.records if each.getMessage().startswith(FOLLOWED)]
        return len(told) >= times * len(MEMBERS)

    await until(holds, "all members trust what stands in their files")


@pytest.mark.slow  # two regions restart one after the other under load
@pytest.mark.files  # no part of it depends on the engine
async def test_the_authority_rotates_while_orders_run_and_no_call_fails(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway.security.authority_file")
    async with running(tmp_path / "federation", databases, REGIONS) as federation:
        home = Counter(federation, "sichuan")
        numbers = [federation.next_number("sichuan") for _ in range(BATCHES * BATCH)]
        for start in range(0, len(numbers), BATCH):
            await home.create(*(home.customer(number) for number in numbers[start : start + BATCH]))
        former_desk = federation.certificates.issue_tls(DESK)
        formerly_signed = Forger(federation, "sichuan").seal("guangdong", ERASURE, OrderErasure(), "probe")
        loads = [Load(federation, numbers[each::2], connects_anew=each == 0) for each in range(2)]
        tasks = [asyncio.create_task(each.run()) for each in loads]
        await go_on(loads)

        new_authority().save(tmp_path / "new")
        former = federation.certificates.authority
        file = tmp_path / "new" / AUTHORITY_CERTIFICATE
        only = file.read_bytes()
        file.write_bytes(only + former.certificate_pem)
        give_authority(federation, file.read_bytes())
        await until_followed(caplog, 1)
        await go_on(loads)

        issue_all(federation, Authority.load(tmp_path / "new"))
        await go_on(loads)
        for region in REGIONS:
            await restart(federation, region, loads)
            await go_on(loads)

        file.write_bytes(only)
        give_authority(federation, only)
        await until_followed(caplog, 2)
        await go_on(loads)
        for load in loads:
            load.end()
        await asyncio.gather(*tasks)
        assert [each.failed for each in loads] == [[], []]
        assert [len(each.cut) <= 1 for each in loads] == [True, True], "one call was on its way as its node stopped"
        federation.certificates.authority = Authority.load(tmp_path / "new")
        for order_id in (each for load in loads for each in load.done):
            await Counter(federation, "guangdong").reaches(order_id, OrderState.ORDER_STATE_COMPLETED)
        assert await list_orders(dial_guangdong(federation, former_desk)) == grpc.StatusCode.UNAVAILABLE
        assert not_delivered(await bring(federation, formerly_signed, "guangdong")) == "ENVELOPE_SIGNATURE_INVALID"
