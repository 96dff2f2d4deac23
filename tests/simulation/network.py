"""The transport port: a network that loses, delays, doubles, reorders and cuts, and remembers every receipt."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse, DeliverResult, Outcome, ReceiptContent
from gateway.errors import Refused, Unreachable, reason_name
from tests.simulation.history import History
from tests.simulation.region import NoAnswer
from tests.simulation.virtual_time import Process

Serve = Callable[[DeliverRequest, float], Awaitable[DeliverResponse]]
ServeBytes = Callable[[bytes, float], Awaitable[bytes]]


@dataclass
class Weather:
    """How bad the network is now; every figure but the delays is a probability per message."""

    lose_request: float = 0.0
    lose_answer: float = 0.0
    double: float = 0.0
    longest_delay: float = 0.02  # seconds
    straggler: float = 0.0  # of a delay of up to `longest_straggling`
    longest_straggling: float = 4.0  # seconds
    abandon: float = 0.0  # that the handler is cancelled when its caller gave up


@dataclass
class Network:
    """The links between regions and the coordinator, each named by its region."""

    history: History
    source: random.Random
    weather: Weather = field(default_factory=Weather)
    cut: set[str] = field(default_factory=set)
    receipts: dict[str, set[bytes]] = field(default_factory=dict)
    under_way: int = 0

    async def carry(
        self, link: str, request: DeliverRequest, timeout: float, server: Callable[[], Process | None], serve: Serve
    ) -> DeliverResponse:
        """Carries a batch over one link and the answer back. Raises as `exchange`."""

        async def serve_batch(content: bytes, left: float) -> bytes:
            self.history.count("batches delivered")
            return (await serve(DeliverRequest.FromString(content), left)).SerializeToString()

        answer = await self.exchange(link, request.SerializeToString(), timeout, server, serve_batch)
        return DeliverResponse.FromString(answer)

    async def exchange(
        self, link: str, content: bytes, timeout: float, server: Callable[[], Process | None], serve: ServeBytes
    ) -> bytes:
        """Carries bytes over one link and the answer back, as one gRPC call does.

        Raises Unreachable where no answer comes back in time, and Refused as the server does.
        """
        self.under_way += 1
        try:
            return await self._exchange(_Call(link, content, timeout, server, serve))
        finally:
            self.under_way -= 1

    async def _exchange(self, call: "_Call") -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + call.timeout
        if self._chance(self.weather.double):
            self._double(call)
        await self._travel(call.link, "request", self.weather.lose_request, deadline)
        process = call.server()
        if process is None or not process.alive:
            raise Unreachable(f"nothing listens at {call.link}")
        task = process.spawn(self._serve(call, deadline - loop.time()))
        try:
            await asyncio.wait({task}, timeout=max(deadline - loop.time(), 0.0))
        finally:
            if not task.done() and self._chance(self.weather.abandon):
                self.history.count("handlers cancelled")
                task.cancel()
        if not task.done():
            raise Unreachable("deadline exceeded")
        if task.cancelled():
            raise Unreachable("connection closed")
        await self._travel(call.link, "answer", self.weather.lose_answer, deadline)
        response = task.result()
        if isinstance(response, Refused):
            raise response
        if response is None:
            raise Unreachable("connection closed")
        return response

    async def _serve(self, call: "_Call", timeout: float) -> bytes | Refused | None:
        """The answer on the wire, the refusal, or None where the server broke off."""
        try:
            return await call.serve(call.content, timeout)
        except Refused as refused:
            return refused
        except NoAnswer:
            return None

    def see(self, region: str, envelope_id: str, result: DeliverResult) -> None:
        """A region shows its answer to a command before it is sealed: the receipt must be the same every time."""
        if result.HasField("receipt"):
            known = self.receipts.setdefault(envelope_id, set())
            receipt = result.receipt.SerializeToString()
            if receipt not in known:
                known.add(receipt)
                content = ReceiptContent.FromString(result.receipt.content)
                told = f"{Outcome.Name(content.outcome)} {reason_name(content.reason)} {content.moved_to}".rstrip()
                self.history.note(content.destination, f"answers {told}", envelope_id)
        else:
            self.history.note(region, f"not delivered: {reason_name(result.not_delivered.reason)}", envelope_id)

    def _double(self, call: "_Call") -> None:
        """The same batch comes again later, and nobody waits for its answer."""
        self.history.count("batches doubled")
        delay = self.source.uniform(0.0, self.weather.longest_delay + self.weather.longest_straggling)

        def arrive() -> None:
            process = call.server()
            if process is not None and process.alive and call.link not in self.cut:
                process.spawn(self._serve(call, call.timeout))

        asyncio.get_running_loop().call_later(delay, arrive)

    async def _travel(self, link: str, what: str, loss: float, deadline: float) -> None:
        """A trip over a link. Raises Unreachable immediately, or at the end of the caller's time."""
        delay = self.source.uniform(0.0005, self.weather.longest_delay)
        if self._chance(self.weather.straggler):
            self.history.count("messages delayed")
            delay = self.source.uniform(0.0, self.weather.longest_straggling)
        left = deadline - asyncio.get_running_loop().time()
        lost = self._chance(loss)
        if lost:
            self.history.count(f"{what}s lost")
        elif delay < left:
            await asyncio.sleep(delay)
            if link not in self.cut:
                return
            self.history.count("messages on a cut link")
        # A reset connection tells at once; a black hole tells nothing until the deadline.
        if self._chance(0.7):
            raise Unreachable("connection reset")
        await asyncio.sleep(max(deadline - asyncio.get_running_loop().time(), 0.0))
        raise Unreachable("deadline exceeded")

    def _chance(self, probability: float) -> bool:
        return probability > 0.0 and self.source.random() < probability


@dataclass(frozen=True)
class _Call:
    """A call in transit: the link, the bytes, the time left, and the server."""

    link: str
    content: bytes
    timeout: float
    server: Callable[[], Process | None]
    serve: ServeBytes
