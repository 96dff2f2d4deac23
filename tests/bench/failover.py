"""`python -m tests.bench.failover`: the primary of a region's PostgreSQL is killed again and again, under load.

Patroni leads three members, and commits wait for a synchronous standby. Operators of the region and of another one pay
for its customers. Each repeats a payment under its id until it is taken. So what is stored in the end can be compared
with what was acknowledged, one by one, and the balances with both.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import grpc
import uvloop
from google.protobuf.duration_pb2 import Duration
from rich.table import Table

from deploy.local.etcd import LocalEtcd
from deploy.local.federation import OPERATOR, LocalFederation
from deploy.local.patroni import LocalPatroni, require_program
from deploy.local.process import ProcessFailed, wait_until
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

PROFILE = Profile("failover", special={HOME: Placement(Engine.POSTGRESQL, 2)})
"""The home region is on PostgreSQL, with two processes; the other one on a file."""
CALLERS = 16
_LINES = 64
_PATIENCE = 180.0  # seconds until another member serves, or all of them are well again
_CALL_SECONDS = 10.0
_AGAIN = 0.05  # seconds between attempts of one payment
_LOOK = 0.5  # seconds between looks at the database
_REST = 0.1  # seconds of a caller between two payments
_BETWEEN = 50  # payments between two kills, at least
_KILLS: dict[str, Callable[[LocalPatroni, int], None]] = {
    "server": LocalPatroni.kill_server,
    "machine": LocalPatroni.kill_member,
    "patroni": LocalPatroni.kill_patroni,
}
"""What is ended as by kill -9: PostgreSQL alone, which Patroni notices at once; both, whose lease has to end; or
Patroni alone, whose server goes on taking connections beside the next primary."""


@dataclass(frozen=True)
class Failover:
    """A kill of the primary, and the seconds until its region took a payment that was sent after it."""

    kind: str
    seconds: float


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
    def is_right(self) -> bool:
        """Whether nothing is missing or doubled, and the region has served all the time but the fail-overs."""
        return not (self.missing or self.doubled or self.fen or self.losses)


@dataclass
class Payments:
    """The payments of all callers: what was acknowledged, and when."""

    acknowledged: set[str] = field(default_factory=set)
    """Ids of orders."""
    is_ending: bool = False
    _served: dict[float, "asyncio.Future[float]"] = field(default_factory=dict)

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
        for killed, served in self._served.items():
            if is_killed and begun >= killed and not served.done():
                served.set_result(time.monotonic() - killed)
        return True

    async def served_since(self, killed: float) -> float:
        """Seconds from a kill until a payment is taken that was sent after it. Raises TimeoutError."""
        served: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._served[killed] = served
        try:
            async with asyncio.timeout(_PATIENCE):
                return await served
        finally:
            del self._served[killed]

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
    """Callers of both processes of the region, and of the other region. At the end each ends its last payment."""
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

        async with asyncio.TaskGroup() as group:
            for caller in range(CALLERS):
                service, is_killed = next(services)
                group.create_task(call(caller, service, is_killed=is_killed))
            try:
                yield
            finally:
                payments.is_ending = True


async def fail_over(cluster: LocalPatroni, payments: Payments, kind: str) -> Failover:
    """Kills the primary once a standby may take over, and starts it again once another one serves."""
    await payments.more(_BETWEEN)
    await asyncio.to_thread(wait_until, cluster.is_whole, _PATIENCE, "every member is well")
    primary = cluster.primary()
    if primary is None:
        raise ProcessFailed("there is no primary")
    begun = time.monotonic()
    await asyncio.to_thread(_KILLS[kind], cluster, primary)
    killed = time.monotonic()
    seconds = killed - begun + await payments.served_since(killed)
    cluster.launch_member(primary)
    return Failover(kind, seconds)


def stored(tx: Transaction) -> set[str]:
    """The ids of all orders of a region."""
    return set(tx.all(str, "SELECT order_id FROM orders"))


async def compared(federation: LocalFederation, payments: Payments, failovers: Sequence[Failover]) -> Outcome:
    """What the region has, once everything that was acknowledged elsewhere has reached it."""
    place = federation.database(federation.nodes[HOME][0].name)

    def orders() -> set[str]:
        with place.look() as tx:
            return stored(tx)

    end = time.monotonic() + _PATIENCE
    found = await asyncio.to_thread(orders)
    while payments.acknowledged - found and time.monotonic() < end:
        await asyncio.sleep(_LOOK)
        found = await asyncio.to_thread(orders)
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
    federation: LocalFederation,
    cluster: LocalPatroni,
    count: int,
    kinds: Sequence[str],
    tell: Callable[[Failover], None] = lambda failover: None,
) -> Outcome:
    """Kills the primary so many times, by each kind in turns, and compares what is there afterwards."""
    payments, failovers = Payments(), list[Failover]()
    async with paying(federation, payments):
        for kind in itertools.islice(itertools.cycle(kinds), count):
            failovers.append(await fail_over(cluster, payments, kind))
            tell(failovers[-1])
        await payments.more(_BETWEEN)
    return await compared(federation, payments, failovers)


@contextmanager
def on_patroni(directory: Path, etcd: LocalEtcd) -> Iterator[tuple[LocalFederation, LocalPatroni]]:
    """A federation whose home region is on a cluster of three. Both end with the context."""
    cluster = LocalPatroni(directory / "cluster", etcd)
    try:
        cluster.prepare()
        cluster.start()
        with running(directory / "federation", PROFILE, customers=_LINES, postgresql=cluster) as federation:
            yield federation, cluster
    finally:
        cluster.remove()


@contextmanager
def patroni_etcd(directory: Path) -> Iterator[LocalEtcd]:
    """An etcd for Patroni alone. It ends with the context."""
    etcd = LocalEtcd(directory, 1, gateway=True)
    try:
        etcd.prepare()
        etcd.start()
        yield etcd
    finally:
        etcd.remove()


def shown(outcome: Outcome) -> Table:
    """A row for each kind of kill; and what was found afterwards."""
    found = Table(
        title=f"{len(outcome.failovers)} fail-overs, {outcome.acknowledged:,} orders acknowledged",
        caption=f"missing {outcome.missing}, doubled {outcome.doubled}, fen too many {outcome.fen},"
        f" fence closed {outcome.losses} times",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("killed", "fail-overs", "time to serve again, p50", "max"):
        found.add_column(heading, justify="right")
    for kind in _KILLS:
        if seconds := [each.seconds for each in outcome.failovers if each.kind == kind]:
            found.add_row(kind, str(len(seconds)), f"{percentile(seconds, 0.5):.1f} s", f"{max(seconds):.1f} s")
    return found


def plain(outcome: Outcome) -> Report:
    """For JSON."""
    return {
        "failovers": [{"killed": each.kind, "seconds_to_serve_again": each.seconds} for each in outcome.failovers],
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
@click.option("--count", default=50, show_default=True, help="of kills")
@click.option("--kill", "kinds", type=click.Choice(list(_KILLS)), multiple=True, default=list(_KILLS))
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "failover.json", show_default=True)
def main(count: int, kinds: Sequence[str], output: Path, *, unsynced: bool) -> None:
    """Kills the primary under load: how long nothing is served, and whether anything is missing or doubled."""
    others = ready(Needs(output.parent, engines=True, synced=not unsynced, missing=_missing()))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "failover"))
        conditions = circumstances(directory, others, kills=count, callers=CALLERS)
        etcd = stack.enter_context(patroni_etcd(directory / "etcd"))
        federation, cluster = stack.enter_context(on_patroni(directory, etcd))
        outcome = uvloop.run(
            measure(federation, cluster, count, kinds, lambda each: click.echo(f"{each.kind}: {each.seconds:.1f} s"))
        )
    console().print(shown(outcome))
    write_report(output, {**plain(outcome), "conditions": conditions})
    click.echo(f"written to {output}")
    if not outcome.is_right:
        raise click.ClickException("something is missing, doubled or fenced")


if __name__ == "__main__":
    main()
