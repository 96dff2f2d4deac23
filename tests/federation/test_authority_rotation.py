"""The authority of a running federation is replaced while orders run, as docs/operations.md says."""

import asyncio
import functools
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
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)  # of a member that restarts


class Load:
    """Orders across the border, one after the other. Each is repeated with its id until it is answered."""

    def __init__(self, federation: Federation, numbers: list[str]) -> None:
        self._federation = federation
        self._counter = Counter(federation, "guangdong")
        self._numbers = iter(numbers)
        self._over = asyncio.Event()
        self.done: list[str] = []
        """The ids of answered orders."""
        self.refused: list[str] = []
        """What was answered and is no order: with that, a call has failed for its caller."""

    async def run(self) -> None:
        """Orders until it is over."""
        for number in self._numbers:
            if self._over.is_set():
                return
            request = order_api.SubmitOrderRequest(
                request_id=self._federation.next_id(),
                order=self._counter.request("SUSPEND", number),
                wait=seconds(WAIT),
            )
            await until(functools.partial(self._is_answered, request), "a repeated order is answered")

    def end(self) -> None:
        """Has the loop end after the present order."""
        self._over.set()

    async def goes_on(self) -> None:
        """Returns once two more orders are answered: the second was begun after the call."""
        before = len(self.done)
        await until(lambda: self._has_done(before + 2), "orders go on")

    async def _has_done(self, count: int) -> bool:
        return len(self.done) >= count

    async def _is_answered(self, request: order_api.SubmitOrderRequest) -> bool:
        """Makes one call, over a connection with the files of now. A member that is away is asked again."""
        if "guangdong" not in self._federation.nodes:
            return False
        name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
        dialer = Dialer(self._federation.certificates.credentials(DESK), self._federation.clock)
        async with dialer.dial(self._federation.endpoint("guangdong"), name) as channel:
            try:
                answer = await OrderServiceStub(channel).SubmitOrder(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() in PASSING:
                    return False
                self.refused.append(f"{error.code().name} {error.details()}")
                return True
        self.done.append(answer.order.id)
        return True


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
        load = Load(federation, numbers)
        task = asyncio.create_task(load.run())
        await load.goes_on()

        new_authority().save(tmp_path / "new")
        former = federation.certificates.authority
        file = tmp_path / "new" / AUTHORITY_CERTIFICATE
        only = file.read_bytes()
        file.write_bytes(only + former.certificate_pem)
        give_authority(federation, file.read_bytes())
        await until_followed(caplog, 1)
        await load.goes_on()

        issue_all(federation, Authority.load(tmp_path / "new"))
        await load.goes_on()
        for region in REGIONS:
            await federation.stop_node(region)
            await federation.start_node(region)
            await load.goes_on()

        file.write_bytes(only)
        give_authority(federation, only)
        await until_followed(caplog, 2)
        await load.goes_on()
        load.end()
        await task
        assert load.refused == []
        federation.certificates.authority = Authority.load(tmp_path / "new")
        for order_id in load.done:
            await Counter(federation, "guangdong").reaches(order_id, OrderState.ORDER_STATE_COMPLETED)
        assert await list_orders(dial_guangdong(federation, former_desk)) == grpc.StatusCode.UNAVAILABLE
        assert not_delivered(await bring(federation, formerly_signed, "guangdong")) == "ENVELOPE_SIGNATURE_INVALID"
