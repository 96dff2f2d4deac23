"""A region's own system: slow, sometimes away, sometimes refusing; it answers each repeat, and does things once.

Its data outlives the calling node. It completes a call though nobody waits for the answer any more.
"""

import asyncio
import random
from collections import Counter

from gateway.api.provider.v1.fulfilment_service_pb2 import Work
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Unreachable
from region_node.business.orders.provisioning_answers import Answer
from region_node.business.orders.provisioning_rows import Phase
from tests.simulation.businesses import LINE_OPENING, PROVIDER_REGION, number_pool
from tests.simulation.history import History
from tests.simulation.virtual_time import Process

_PATIENCE = 10.0  # seconds that a node waits
_LONGEST = 0.4  # seconds that an answer takes, most often
_REFUSES = 0.12  # of what is asked of an order is refused, at the first time
_NO = Answer(False, LocalizedText(zh_cn="没有资源", en="there are no resources"))


class Provider:
    """See `FulfilmentProvider`."""

    def __init__(self, history: History, source: random.Random) -> None:
        self._history = history
        self._source = source
        self._process = Process("provider")
        self._asked: set[tuple[str, Phase]] = set()
        self._forbidden: set[str] = set()
        self.is_troubled = False
        self.refuses = _REFUSES
        self.provisioned: dict[str, dict[str, str]] = {}
        """The finished work that is not undone: the results of each order."""
        self.done: Counter[str] = Counter()
        """How often each order was done."""

    async def ask(self, phase: Phase, work: Work) -> Answer:
        """See the port."""
        lost = self._fails(0.25)
        asked = self._process.spawn(self._serve(phase, work))
        if self._fails(0.3):
            self._history.count("calls to the provider doubled")
            self._process.spawn(self._serve(phase, work))
        done, _ = await asyncio.wait({asked}, timeout=_PATIENCE)
        if not done or lost:
            self._history.count("answers of the provider lost")
            raise Unreachable("no answer of the provider")
        return asked.result()

    async def _serve(self, phase: Phase, work: Work) -> Answer:
        await asyncio.sleep(self._source.uniform(0.0, 25.0 if self._fails(0.1) else _LONGEST))
        answer = self._act(phase, work)
        self._history.note("provider", f"{phase.name}: {'done' if answer.done else 'refused'}", work.order_id)
        await asyncio.sleep(self._source.uniform(0.0, _LONGEST))
        return answer

    def _act(self, phase: Phase, work: Work) -> Answer:
        order_id = work.order_id
        if phase in (Phase.CHECK, Phase.PROVISION) and order_id in self._forbidden:
            return _NO
        if order_id in self.provisioned and phase == Phase.PROVISION:
            return Answer(True, results=self.provisioned[order_id])
        if (order_id, phase) not in self._asked:
            self._asked.add((order_id, phase))
            if self._source.random() < self.refuses:
                self._history.count("refusals of the provider")
                return _NO
        if phase == Phase.UNDO:
            self._forbidden.add(order_id)
            if self.provisioned.pop(order_id, None) is not None:
                self._history.count("orders undone by the provider")
        if phase == Phase.PROVISION:
            self.done[order_id] += 1
            self.provisioned[order_id] = self._results(work)
            return Answer(True, results=self.provisioned[order_id])
        return Answer(True)

    def _results(self, work: Work) -> dict[str, str]:
        """A reference, and for some of the new lines whose customers wish for no number, the number."""
        results = {"reference": f"reference-{self._source.getrandbits(32):08x}"}
        wished = work.characteristics.get("number", "")
        if work.business in LINE_OPENING and not wished and self._source.random() < 0.5:
            first = number_pool(PROVIDER_REGION, broadband=work.business != "NEW_LINE")
            results["number"] = f"+{first + self._source.randint(1_000, 9_000)}"
        return results

    def _fails(self, probability: float) -> bool:
        return self.is_troubled and self._source.random() < probability
