"""Regions change the keys to which the others seal what they send, while orders go on."""

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.security.region_keys import KeySet
from tests.federation.counter import Counter
from tests.federation.forger import Forger, key_of, sent_about
from tests.federation.refusals import refusal
from tests.federation.running import Federation, until
from tests.sealed_batches import sealing_key

COMPLETED = OrderState.ORDER_STATE_COMPLETED


@pytest.mark.parametrize("region", ["sichuan", "guangdong"])
async def test_orders_go_on_while_either_region_changes_its_key_and_forgets_the_former(
    federation: Federation, region: str
) -> None:
    guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
    number = await sichuan.new_customer(balance=0)
    file = federation.certificates.keys(f"region/{region}")
    former = KeySet.load(file).in_use.id
    KeySet.load(file).rotated().save(file)
    assert (await guangdong.order("PAY", number)).state == COMPLETED

    async def is_published() -> bool:
        return (await federation.members())[region].sealing_key.key == sealing_key(file)

    async def is_wrapped_anew() -> bool:
        wrapped = "SELECT COUNT(*) FROM data_keys WHERE wrapped_by = ?"
        return federation.database(region).rows(wrapped, former) == [(0,)]

    await until(is_published, "the new key is told to all")
    await until(is_wrapped_anew, "the former key wraps nothing")
    KeySet.load(file).without({former}).save(file)
    order = await guangdong.order("PAY", number)
    assert order.state == COMPLETED
    envelope, receipt = sent_about(federation, "guangdong", order.id)
    assert (await Forger(federation, "guangdong").deliver(envelope, "sichuan")).receipt == receipt
    assert await sichuan.balance(number) == 10_000


async def test_what_is_sealed_to_a_key_that_is_gone_is_not_acted_on_and_tells_what_to_do(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
    number = await sichuan.new_customer(balance=0)
    order = await guangdong.order("PAY", number)
    envelope, _ = sent_about(federation, "guangdong", order.id)
    gone = KeySet.new().in_use.sealing
    monkeypatch.setattr("tests.federation.forger.key_of", lambda *_: gone.public)
    told = await refusal(Forger(federation, "guangdong").deliver(envelope, "sichuan"))
    assert (told.reason, told.parameters) == ("SEALING_KEY_UNKNOWN", {"region": "sichuan", "key": gone.id.hex()})
    assert await sichuan.balance(number) == 5000
    monkeypatch.undo()
    assert key_of(federation, "sichuan") != gone.public
    assert (await Forger(federation, "guangdong").deliver(envelope, "sichuan")).HasField("receipt")
