"""Nobody who has every file of a region, and its keys, learns anything of a customer who was erased."""

import logging
from datetime import timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.erasure_service_pb2 import GetErasureRequest
from gateway.security.region_keys import KeySet
from region_node.node.subjects import customer_subject
from tests.at_rest import WrappedKey, recovered_subjects, wrapped_keys
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.test_terminate import approved
from tests.federation.test_verification_privacy import files_of

REGIONS = ("guangdong", "sichuan")
PLANTED = {
    "name": "端木思源丁",
    "email": "duanmu.planted@mail.example",
    "address": "成都市锦江区浣花路3999号",
    "note": "moves-to-Ngari-planted",
}


def planted(counter: Counter, number: str) -> Customer:
    """A customer of whom no id tells the number."""
    customer, own = counter.customer(number, name=PLANTED["name"]), counter.federation.next_id()
    customer.id, customer.product.id, customer.billing_account.id = f"who-{own}", f"line-{own}", f"pays-{own}"
    customer.email, customer.product.address = PLANTED["email"], PLANTED["address"]
    return customer


def left_in(content: bytes, federation: Federation, held: dict[str, list[WrappedKey]]) -> list[tuple[str, str]]:
    """The keys that somebody finds in the bytes, by region and subject."""
    return [
        (region, subject)
        for region, keys in held.items()
        for subject in recovered_subjects(content, keys, KeySet.load(federation.region_settings(region).keys))
    ]


async def test_no_file_has_anything_of_an_erased_customer_though_all_keys_are_at_hand(
    federation: Federation,
    guangdong: Counter,
    sichuan: Counter,
    reviewer: Reviewer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for package in ("gateway", "region_node", "coordinator"):
        caplog.set_level(logging.DEBUG, logger=package)
    number = federation.next_number("sichuan")
    customer = planted(sichuan, number)
    await sichuan.create(customer)
    order = await approved(guangdong, reviewer, number)
    await guangdong.confirm(order.id, note=PLANTED["note"])
    databases, held = [federation.database(region) for region in REGIONS], dict[str, list[WrappedKey]]()
    for region, database in zip(REGIONS, databases, strict=True):
        of_number = federation.sealing(region).number_subject(number)
        with database.look() as tx:
            held[region] = wrapped_keys(tx, [customer_subject(customer.id), of_number, f"envelope/{order.id}"])

    def stored() -> bytes:
        """Of both databases, wherever they are."""
        return b"".join(database.raw() for database in databases)

    opened = b"".join(database.opened() for database in databases)
    assert [text for text in (*PLANTED.values(), number) if text.encode() not in opened] == [], "the search finds it"
    assert {region for region, _ in left_in(stored(), federation, held)} == set(REGIONS), "and the keys"

    erasure = await sichuan.erase(number)

    async def is_gone() -> bool:
        return not left_in(stored(), federation, held)

    await until(is_gone, "the keys are in neither database")
    asked = GetErasureRequest(request_id=erasure.request_id, requester=REQUESTER)
    national = number.removeprefix("+86").encode()

    async def is_told() -> bool:
        answer = await sichuan.erasure.GetErasure(asked, timeout=CALL_SECONDS)
        return answer.erasure.unrecoverable_time.ToNanoseconds() >= erasure.erase_time.ToNanoseconds()

    async def tells_no_number() -> bool:
        return national not in federation.database("guangdong").opened()

    assert not await is_told(), "the envelopes that tell other regions of the erasure have the number"
    await federation.advance(timedelta(days=1, minutes=1))
    await until(is_told, "the home region says that nothing is left")
    assert national not in federation.database("sichuan").opened()
    await until(tells_no_number, "the key of the envelope goes in the other region, too")
    places, _ = files_of(federation.directory)
    places["log"] = caplog.text.encode()
    places["opened"] = b"".join(database.opened() for database in databases)
    assert "region.keys" in {place.rpartition("/")[2] for place in places}, "the keys are at hand"
    assert [(place, text) for place, told in places.items() for text in PLANTED.values() if text.encode() in told] == []
    assert left_in(b"".join(places.values()), federation, held) == []
    assert [place for place, told in places.items() if national in told] == []
