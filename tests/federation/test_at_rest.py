"""Nobody who has the databases, and not the keys, learns anything of a customer: not from one byte of one file."""

from pathlib import Path

from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.api.region.v1.customer_service_pb2 import Customer, ImportLine
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import running
from tests.federation.test_imports import Import, new_hash, pieces
from tests.federation.test_new_lines import broadband, new_line
from tests.federation.test_verification_privacy import files_of

OTHER_NUMBER = "+8619844271828"  # whom the line calls
PLANTED = {
    "name": "欧阳振华甲",
    "name imported": "诸葛明月乙",
    "name of a new line": "司马青衫丙",
    "email": "ouyang.planted@mail.example",
    "address": "成都市武侯区桐梓林北路1777号",
    "address of an access": "绵阳市涪城区剑门路2888号",
    "why suspended": "posted-to-Lhasa-planted",
    "reason of an order": "fieldwork-in-Nagqu-planted",
    "note of a review": "looks-under-age-planted",
    "note of a customer": "neighbour-has-the-key-planted",
}


def _customer(counter: Counter, number: str, name: str, own: str) -> Customer:
    """A customer of whom no id tells the number."""
    customer = counter.customer(number, name=name, emergency_calls_allowed=True)
    customer.id, customer.product.id, customer.billing_account.id = f"who-{own}", f"line-{own}", f"pays-{own}"
    customer.email, customer.product.address = PLANTED["email"], PLANTED["address"]
    return customer


async def _everything_that_is_stored(guangdong: Counter, sichuan: Counter) -> list[str]:
    """Customers and orders by every way in which something of them comes into a database; returns their numbers."""
    federation = sichuan.federation
    created, imported = federation.next_number("sichuan"), federation.next_number("sichuan")
    await sichuan.create(_customer(sichuan, created, PLANTED["name"], "one"))
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    taken = _customer(sichuan, imported, PLANTED["name imported"], "two")
    twice = _customer(sichuan, created, PLANTED["name imported"], "three")  # rejected: the number is taken
    for piece in pieces([ImportLine(number=2, customer=taken), ImportLine(number=3, customer=twice)]):
        await stream.ask(piece)
    await stream.end()
    await guangdong.order("SUSPEND", created, reason=PLANTED["reason of an order"])
    await guangdong.order("SUSPEND", created)  # rejected
    await guangdong.order("PAY", imported)
    await sichuan.order("SUSPEND", imported, reason=PLANTED["why suspended"])
    terminated = await guangdong.order("TERMINATE", created)
    reject = ReviewDecision.REVIEW_DECISION_REJECT
    await Reviewer(federation, "sichuan").decide(terminated.id, reject, note=PLANTED["note of a review"])
    supplemented = await guangdong.order("TERMINATE", imported)
    back = ReviewDecision.REVIEW_DECISION_RETURN
    await Reviewer(federation, "sichuan").decide(supplemented.id, back, documents=["ID_ORIG"], note="which paper?")
    await guangdong.reaches(supplemented.id, OrderState.ORDER_STATE_PENDING)
    await guangdong.supplement(supplemented.id, "ID_ORIG", note=PLANTED["note of a customer"])
    await guangdong.submit(new_line(guangdong, name=PLANTED["name of a new line"]))
    await guangdong.submit(broadband(guangdong, address=PLANTED["address of an access"]))
    for kind in (UsageKind.USAGE_KIND_CALL, UsageKind.USAGE_KIND_MESSAGE):
        await sichuan.record_usage(imported, kind, 1, other_number=OTHER_NUMBER)
    await guangdong.bill(imported)
    await guangdong.receive_code(imported, federation.next_id())
    assert (await refusal(guangdong.order("PAY", federation.next_number("sichuan"), amount="x"))).reason
    return [created, imported, OTHER_NUMBER]


async def test_nothing_of_a_customer_stands_in_any_byte_of_any_database(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        numbers = await _everything_that_is_stored(guangdong, sichuan)
        regions = {region: federation.database(region) for region in federation.nodes}
        places = {region: database.raw() for region, database in regions.items()}
        places["coordinator"] = federation.coordinator_database.raw()
        opened = b"".join(database.opened() for database in regions.values())
        files, _ = files_of(tmp_path)
        texts = [*PLANTED.values(), *(each for number in numbers for each in (number, number.removeprefix("+")))]
        own = [number.removeprefix("+86") for number in numbers]
    searched = {**files, **places}
    assert [(place, text) for place, told in searched.items() for text in (*texts, *own) if text.encode() in told] == []
    assert [text for text in (*PLANTED.values(), *numbers[:2]) if text.encode() not in opened] == [], "they were stored"
