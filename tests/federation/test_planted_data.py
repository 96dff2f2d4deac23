"""Unmistakable data of a customer is shared with one region; then everything that anybody kept is searched for it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1.customer_service_pb2 import Customer
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.federation.sharing_counter import DECLINED, DUTY, SharingCounter, told
from tests.federation.test_privacy import traced
from tests.federation.test_verification_privacy import files_of

# What stands nowhere else; of each, also a part that no mask shows.
PLANTED = ("令狐冲霄汉", "冲霄汉", "linghu.chongxiao@planted.example", "linghu.chong", "华山派思过崖七号院", "思过崖")
PAPER, REFERENCE = "archive-planted-4711", "川公网查-planted-17"


def planted_customer(counter: Counter, number: str) -> Customer:
    """A customer of Sichuan with that data."""
    customer = counter.customer(number, name=PLANTED[0], plan_id="sichuan-99", address=PLANTED[4])
    customer.email = PLANTED[2]
    return customer


async def share_in_every_way(federation: Federation, number: str) -> bytes:
    """Guangdong is allowed to read, and Henan is not; both ask for everything, and the customer looks at it.

    Returns what Guangdong's operator was shown.
    """
    south, henan = SharingCounter.of(federation, "guangdong"), SharingCounter.of(federation, "henan")
    for purpose in ("counter-service", "complaint-handling", "enterprise-support"):
        await south.consent(number, "guangdong", purpose)
    await south.give(south.decision(number, "guangdong", "installation", paper=PAPER))
    await henan.consent(number, "henan", "complaint-handling", DECLINED)
    answer = await south.read(number, "enterprise-support")
    seen = told(answer)
    assert (seen[SharedField.SHARED_FIELD_NAME], seen[SharedField.SHARED_FIELD_EMAIL]) == ([PLANTED[0]], [PLANTED[2]])
    assert seen[SharedField.SHARED_FIELD_ADDRESS] == [PLANTED[4]]
    for purpose in ("counter-service", "complaint-handling", "enterprise-support", "installation"):
        await henan.read(number, purpose)
    assert (await refusal(henan.read(number, "fraud-investigation"))).reason == "SHARING_NOT_ALLOWED"
    await south.ask(south.question(number, "fraud-investigation", DUTY, reference=REFERENCE))
    assert await south.disclosures(number)
    assert await south.grants(number)
    await south.withdraw(number)
    await south.read(number)
    return answer.SerializeToString()


def leaks(places: dict[str, bytes], values: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Where a value stands that must not."""
    for place, content in places.items():
        for value in values:
            # A span escapes what is not ASCII.
            if value.encode() in content or value.encode("unicode_escape") in content:
                yield place, value


async def test_what_is_shared_with_one_region_stands_nowhere_else(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("gateway", "region_node", "coordinator", "grpc"):
        caplog.set_level(logging.DEBUG, logger=package)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        sichuan, number = Counter(federation, "sichuan"), federation.next_number("sichuan")
        await sichuan.create(planted_customer(sichuan, number))
        shown = await share_in_every_way(federation, number)
        places = {
            "database of the coordinator": federation.coordinator_database.raw(),
            "database of henan": federation.database("henan").raw(),
            "database of guangdong": federation.database("guangdong").raw(),
        }
        kept = federation.database("sichuan").contents()
    formatter = logging.Formatter()
    places["log"] = "\n".join(formatter.format(record) for record in caplog.records).encode()
    places["spans"] = spans.path.read_bytes()
    files, _ = files_of(tmp_path)
    abroad = {path: content for path, content in files.items() if f"{tmp_path}/sichuan/" not in path}
    assert any("coordinator" in path for path in abroad), "the coordinator's files are among those searched"
    assert list(leaks(places | abroad, (*PLANTED, PAPER, REFERENCE))) == []
    coordinator = {path: content for path, content in (places | abroad).items() if "coordinator" in path}
    rest = {name: places[name] for name in ("log", "spans")}
    assert list(leaks(coordinator | rest, (number, number.removeprefix("+86"), REQUESTER.staff_id))) == []
    assert {value for _, value in leaks({"answer": shown}, PLANTED)} == set(PLANTED), "the search finds what is there"
    assert b"ENVELOPE_KIND_SHARING" in places["spans"]
    for table in ("sharing_grants", "disclosures", "sharing_requests"):
        cells = [cell for row in kept[table] for cell in row]
        content = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
        assert content
        assert list(leaks({table: content}, (*PLANTED, PAPER, REFERENCE, number))) == []
