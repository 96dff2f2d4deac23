"""`python -m tests.bench.failover`: the primary of a region's PostgreSQL fails again and again, under load.

Patroni leads three members, and commits wait for a synchronous standby. Operators of the region and of another one pay
for its customers. Each repeats a payment under its id until it is taken. So what is stored in the end can be compared
with what was acknowledged, one by one, and the balances with both.
"""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import click
import grpc
import uvloop
from google.protobuf.duration_pb2 import Duration
from rich.table import Table

from deploy.local.etcd import LocalEtcd
from deploy.local.federation import OPERATOR, LocalFederation
from deploy.local.patroni import require_program
from deploy.local.process import ProcessFailed
from deploy.local.profiles import Engine, Placement, Profile
from gateway.api.region.v1.customer_service_pb2 import GetCustomerRequest
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.auditing import audit
from gateway.errors import from_rpc_error, is_temporary
from gateway.store.port import Transaction
from tests.bench.orders import BALANCE, HANDLING, HOME, Line, all_lines, order_service, requester
from tests.bench.report import Report, percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console
from tests.faults.primary import FAULTS, Cluster, failing, patroni_cluster, patroni_etcd

PROFILE = Profile("failover", special={HOME: Placement(Engine.POSTGRESQL, 2)})
"""The home region is on PostgreSQL, with two processes; the other one on a file."""
CALLERS = 16
_LINES = 64
_PATIENCE = 120.0  # seconds until another member serves, or all of them are well again
_CALL_SECONDS = 10.0
_AGAIN = 0.05  # seconds between attempts of one payment
_LOOK = 0.5  # seconds between looks at the database, or at the members
_REST = 0.1  # seconds of a caller between two payments
_BETWEEN = 50  # payments between two faults, at least
_MINUTES = 40.0


@dataclass(frozen=True)
class Scene:
    """A federation whose home region is on a cluster."""

    federation: LocalFederation
    cluster: Cluster


@dataclass(frozen=True)
class Failover:
    """A fault of the primary, and the longest time since in which its region took no payment.

    It is over once another member leads, and the region took a payment that was sent after that.
    """

    kind: str
    seconds: float | None
    """None where it was not over in time, or did not begin because the cluster was not whole."""
    problem: str = ""
    """What was waited for in vain; empty for none."""


@dataclass(frozen=True)
class Outcome:
    """What a run has done, and what is wrong after it: all of the latter is to be 0."""

    failovers: Sequence[Failover]
    acknowledged: int
    missing: int
    """Acknowledged orders that the region does not have."""
    doubled: int
    """Orders that the region has, and nobody was told of."""
    fen: int
    """By how much the balances of all customers differ from what was paid."""
    losses: int
    """How often the region has closed its fence."""

    @property
    def failed(self) -> Sequence[Failover]:
        """The fail-overs that were not over in time."""
        return [each for each in self.failovers if each.problem]

    @property
    def is_right(self) -> bool:
        """Whether nothing is missing or doubled, and the region has served all the time but the fail-overs."""
        return not (self.missing or self.doubled or self.fen or self.losses or self.failed)


@dataclass
class Payments:
    """The payments of all callers: what was acknowledged, and when."""

    acknowledged: set[str] = field(default_factory=set)
    """Ids of orders."""
    is_ending: bool = False
    taken: list[float] = field(default_factory=list)
    """When the region whose primary fails acknowledged each, by `time.monotonic`."""
    _served: dict[float, "asyncio.Future[None]"] = field(default_factory=dict)

    async def pay(self, service: OrderServiceStub, request: SubmitOrderRequest, *, is_killed: bool) -> None:
        """Repeats one payment under its id until it is taken. Raises AioRpcError for a refusal that does not pass.

        `is_killed`: the service is one of the region whose primary is killed.
        """
        while not await self._attempt(service, request, is_killed=is_killed):  # noqa: ASYNC110 - for another process
            await asyncio.sleep(_AGAIN)

    async def _attempt(self, service: OrderServiceStub, request: SubmitOrderRequest, *, is_killed: bool) -> bool:
        begun = time.monotonic()
        try:
            answer = await service.SubmitOrder(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is not None and not is_temporary(refused.reason):
                raise
            return False
        self.acknowledged.add(answer.order.id)
        if is_killed:
            self.taken.append(time.monotonic())
            for since, served in self._served.items():
                if begun >= since and not served.done():
                    served.set_result(None)
        return True

    async def served_since(self, since: float) -> None:
        """Returns once a payment is taken that was sent after an instant. Raises TimeoutError."""
        served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._served[since] = served
        try:
            async with asyncio.timeout(_PATIENCE):
                await served
        finally:
            del self._served[since]

    def longest_silence(self, since: float) -> float:
        """The longest time, in seconds, in which the region took none, from an instant up to its last one."""
        times = [since, *(each for each in self.taken if each > since)]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    async def more(self, count: int) -> None:
        """Returns once so many more are acknowledged. Raises TimeoutError."""
        enough = len(self.acknowledged) + count
        async with asyncio.timeout(_PATIENCE):
            while len(self.acknowledged) < enough:  # noqa: ASYNC110 - it waits for other processes
                await asyncio.sleep(_AGAIN)


def payment(request_id: str, line: Line) -> SubmitOrderRequest:
    """A payment of one fen, whose answer comes once it is stored."""
    return SubmitOrderRequest(
        request_id=request_id,
        order=OrderRequest(
            business="PAY",
            number=line.number,
            applicant=Applicant.APPLICANT_HOLDER,
            characteristics={"amount": "1"},
            requester=requester(),
        ),
        wait=Duration(),
    )


@asynccontextmanager
async def paying(federation: LocalFederation, payments: Payments) -> AsyncIterator[None]:
    """Callers of both processes of the region, and of the other region. At the end each ends its last payment.

    Raises TimeoutError where one does not.
    """
    run, lines = secrets.token_hex(4), all_lines(customers=_LINES)
    async with (
        federation.dial_region(HOME, f"{HOME}-{OPERATOR}", 0) as first,
        federation.dial_region(HOME, f"{HOME}-{OPERATOR}", 1) as second,
        federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as other,
    ):
        services = itertools.cycle([(order_service(each), each is not other) for each in (first, second, other)])

        async def call(caller: int, service: OrderServiceStub, *, is_killed: bool) -> None:
            for number in itertools.count():
                if payments.is_ending:
                    return
                line = lines[(caller + CALLERS * number) % len(lines)]
                await payments.pay(service, payment(f"{run}-{caller}-{number}", line), is_killed=is_killed)
                await asyncio.sleep(_REST)

        async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:
            for caller in range(CALLERS):
                service, is_killed = next(services)
                group.create_task(call(caller, service, is_killed=is_killed))
            try:
                yield
            finally:
                payments.is_ending = True
                patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE)


async def fail_over(scene: Scene, payments: Payments, kind: str) -> Failover:
    """Lets the primary fail once a standby may take over, and ends that once another one serves.

    A fault that is not over in time is ended all the same.
    """
    try:
        await _until(scene.cluster.servers.is_whole, "every member is well")
        await payments.more(_BETWEEN)
        begun = time.monotonic()
        with ExitStack() as stack:
            another_leads = await asyncio.to_thread(stack.enter_context, failing(scene.cluster, kind))
            await _until(another_leads, "another member leads")
            await payments.served_since(time.monotonic())
            await asyncio.to_thread(stack.close)
    except (TimeoutError, ProcessFailed) as problem:
        return Failover(kind, None, str(problem) or f"waited {_PATIENCE:.0f} s in vain: payments are taken")
    return Failover(kind, payments.longest_silence(begun))


async def _until(holds: Callable[[], bool], what: str) -> None:
    """Returns once a condition holds, which asks the members. Raises ProcessFailed."""
    end = time.monotonic() + _PATIENCE
    while not await asyncio.to_thread(holds):
        if time.monotonic() > end:
            raise ProcessFailed(f"waited {_PATIENCE:.0f} s in vain: {what}")
        await asyncio.sleep(_LOOK)


def stored(tx: Transaction) -> set[str]:
    """The ids of all orders of a region."""
    return set(tx.all(str, "SELECT order_id FROM orders"))


async def compared(federation: LocalFederation, payments: Payments, failovers: Sequence[Failover]) -> Outcome:
    """What the region has, once what was acknowledged elsewhere has reached it, or comes no more."""
    place = federation.database(federation.nodes[HOME][0].name)

    def orders() -> set[str]:
        with place.look() as tx:
            return stored(tx)

    end = time.monotonic() + _PATIENCE
    found = await asyncio.to_thread(orders)
    while payments.acknowledged - found and time.monotonic() < end:
        await asyncio.sleep(_LOOK)
        before, found = found, await asyncio.to_thread(orders)
        if len(found) > len(before):
            end = time.monotonic() + _PATIENCE
    with place.look() as tx:
        losses = tx.first(int, "SELECT COUNT(*) FROM audit WHERE action = :action", action=audit.LOSS) or 0
    paid = await balances(federation) - _LINES * BALANCE
    return Outcome(
        failovers,
        acknowledged=len(payments.acknowledged),
        missing=len(payments.acknowledged - found),
        doubled=len(found - payments.acknowledged),
        fen=paid - len(payments.acknowledged),
        losses=losses,
    )


async def balances(federation: LocalFederation) -> int:
    """The sum of what all customers have, in fen."""
    total = 0
    async with federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
        for line in all_lines(customers=_LINES):
            request = GetCustomerRequest(number=line.number, requester=requester())
            found = await CustomerServiceStub(channel).GetCustomer(request, timeout=_CALL_SECONDS)
            total += found.customer.billing_account.balance.minor_units
    return total


async def measure(
    scene: Scene,
    count: int,
    kinds: Sequence[str],
    minutes: float = _MINUTES,
    tell: Callable[[Failover], None] = lambda failover: None,
) -> Outcome:
    """Lets the primary fail so many times, by each kind in turns, and compares what is there afterwards.

    After so many minutes no other fault begins.
    """
    payments, failovers = Payments(), list[Failover]()
    end = time.monotonic() + 60 * minutes
    async with paying(scene.federation, payments):
        for kind in itertools.islice(itertools.cycle(kinds), count):
            if time.monotonic() > end:
                break
            failovers.append(await fail_over(scene, payments, kind))
            tell(failovers[-1])
        with suppress(TimeoutError):  # each fail-over that was not over in time is told already
            await payments.served_since(time.monotonic())
    return await compared(scene.federation, payments, failovers)


@contextmanager
def on_patroni(directory: Path, etcd: LocalEtcd) -> Iterator[Scene]:
    """A federation whose home region is on a cluster of three. Both end with the context."""
    with ExitStack() as stack:
        cluster = stack.enter_context(patroni_cluster(directory / "cluster", etcd))
        started = running(directory / "federation", PROFILE, customers=_LINES, postgresql=cluster.servers)
        yield Scene(stack.enter_context(started), cluster)


def shown(outcome: Outcome) -> Table:
    """A row for each kind of fault; and what was found afterwards."""
    found = Table(
        title=f"{len(outcome.failovers)} fail-overs, {outcome.acknowledged:,} orders acknowledged",
        caption=f"missing {outcome.missing}, doubled {outcome.doubled}, fen too many {outcome.fen},"
        f" fence closed {outcome.losses} times, not over in time {len(outcome.failed)}",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("fault", "fail-overs", "time to serve again, p50", "max"):
        found.add_column(heading, justify="right")
    counted = Counter(each.kind for each in outcome.failovers)
    for kind in FAULTS:
        if not counted[kind]:
            continue
        seconds = [each.seconds for each in outcome.failovers if each.kind == kind and each.seconds is not None]
        times = [f"{percentile(seconds, 0.5):.1f} s", f"{max(seconds):.1f} s"] if seconds else ["", ""]
        found.add_row(kind, str(counted[kind]), *times)
    return found


def plain(outcome: Outcome) -> Report:
    """For JSON."""
    return {
        "failovers": [
            {"fault": each.kind, "seconds_to_serve_again": each.seconds, "problem": each.problem}
            for each in outcome.failovers
        ],
        "acknowledged": outcome.acknowledged,
        "missing": outcome.missing,
        "doubled": outcome.doubled,
        "fen": outcome.fen,
        "losses": outcome.losses,
    }


def _missing() -> list[str]:
    try:
        require_program()
    except ProcessFailed as failure:
        return [f"{failure}. `sh deploy/build/services.sh patroni` does it"]
    return []


@click.command()
@click.option("--count", default=50, show_default=True, help="of faults")
@click.option("--kill", "kinds", type=click.Choice(list(FAULTS)), multiple=True, default=list(FAULTS))
@click.option("--minutes", default=_MINUTES, show_default=True, help="after which no other fault begins")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "failover.json", show_default=True)
def main(count: int, kinds: Sequence[str], minutes: float, output: Path, *, unsynced: bool) -> None:
    """Lets the primary fail under load: how long nothing is served, and whether anything is missing or doubled."""
    others = ready(Needs(output.parent, engines=True, synced=not unsynced, missing=_missing()))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "failover"))
        conditions = circumstances(directory, others, kills=count, callers=CALLERS)
        etcd = stack.enter_context(patroni_etcd(directory / "etcd"))
        scene = stack.enter_context(on_patroni(directory, etcd))
        outcome = uvloop.run(measure(scene, count, kinds, minutes, _tell))
    console().print(shown(outcome))
    write_report(output, {**plain(outcome), "conditions": conditions})
    click.echo(f"written to {output}")
    if not outcome.is_right:
        raise click.ClickException("something is missing, doubled or fenced, or was not over in time")


def _tell(failover: Failover) -> None:
    told = failover.problem if failover.seconds is None else f"{failover.seconds:.1f} s"
    click.echo(f"{failover.kind}: {told}")


if __name__ == "__main__":
    main()
