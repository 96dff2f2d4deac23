"""A region that would have others erase a customer of whom it is not the home, by envelopes that it signs itself."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import to_timestamp
from tests.administrators import Administrators
from tests.federation.archive import Archive, scan
from tests.federation.certificates import FEDERATION
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.forger import ERASURE, Forger, bring
from tests.federation.honest_callers import beside_an_honest_caller
from tests.federation.own_processes import in_own_processes
from tests.federation.running import Federation
from tests.federation.stolen_keys import DONE, delivered
from tests.hostile.served import KEPT, require_served

STATUS, HOLD = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS, EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD
WAYS = (("henan", "guangdong"), ("henan", "sichuan"), ("guangdong", "sichuan"))
"""Liars and whom they tell. Sichuan is the home; Guangdong has taken in an order and a paper; Henan has nothing."""
TIMES = 10  # that each lie is told in each way
NOT_ALLOWED = {"ENVELOPE_KIND_NOT_ALLOWED"}
Words = Mapping[tuple[str, EnvelopeKind.ValueType], Message]


def status(number: str, told: CustomerStatus.ValueType) -> CustomerStatusNotice:
    """The word that a customer has this status."""
    return CustomerStatusNotice(numbers=[number], status=told)


def destructive(federation: Federation, number: str, order_id: str) -> Words:
    """All that destroys or locks data of a customer, or ends what keeps it, by subject and kind."""
    ended = HoldUpdate(version=1, end_time=to_timestamp(federation.clock.now()))
    return {
        (order_id, ERASURE): OrderErasure(),
        (f"legal-hold/{order_id}", HOLD): ended,
        ("status/erased", STATUS): status(number, CustomerStatus.CUSTOMER_STATUS_ERASED),
        ("status/restricted", STATUS): status(number, CustomerStatus.CUSTOMER_STATUS_RESTRICTED),
    }


async def answers(federation: Federation, liar: str, destination: str, words: Words) -> set[str]:
    """How a region answers all of them, by the honest coordinator, and by one that would look at nothing."""
    told, forger = set[str](), Forger(federation, liar)
    for (subject, kind), payload in words.items():
        envelope = forger.seal(destination, kind, payload, subject)
        told.add(delivered(await forger.deliver(envelope, destination)))
        past = forger.seal(destination, kind, payload, subject)
        told.add(delivered(await bring(federation, past, destination)))
    return told


@pytest.mark.slow  # a federation of processes
@pytest.mark.files  # no part of it depends on the engine
async def test_a_region_that_is_not_the_home_has_nothing_of_a_customer_erased_whoever_brings_its_word(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with in_own_processes(tmp_path / "federation", databases, people) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        order = await guangdong.reaches((await guangdong.order("PAY", number)).id, OrderState.ORDER_STATE_COMPLETED)
        paper = await Archive(guangdong).put(number)
        words = destructive(federation, number, order.id)
        of_paper = {(f"document/{paper}", ERASURE): OrderErasure()}
        async with beside_an_honest_caller(federation, "guangdong") as served:
            for _ in range(TIMES):
                for liar, destination in WAYS:
                    assert await answers(federation, liar, destination, words) == NOT_ALLOWED
                assert await answers(federation, "henan", "guangdong", of_paper) == NOT_ALLOWED
            await served.end()
        require_served(served, KEPT)
        assert await guangdong.get(order.id) == order
        assert await Archive(guangdong).content(number, paper) == scan()
        assert (await sichuan.read(number)).name == "Li Wei"
        assert federation.database("guangdong").rows("SELECT * FROM known_statuses") == []
        erased = {each: words[each] for each in words if each[1] == STATUS}
        assert await answers(federation, "sichuan", "guangdong", erased) == {DONE}, "the home itself is believed"
